package output

// JSON: one object per line.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// JSON writes v as one line. Names in it can be shown as they are: characters
// that could control a terminal are escaped, which every decoder reverses, and
// bytes that are not UTF-8 become \xNN.
func JSON(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	// The encoder's replacement for a byte that is not UTF-8; the byte is lost.
	if bytes.Contains(b.Bytes(), []byte(`\ufffd`)) {
		b.Reset()
		if err := encode(&b, validText(reflect.ValueOf(v)).Interface()); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
	}
	if _, err := Raw(w).Write(escapeUnprintable(b.Bytes())); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

func encode(b *bytes.Buffer, v any) error {
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// escapeUnprintable escapes, as \uNNNN, the characters of encoded JSON that
// could control a terminal. Such characters occur only in strings.
func escapeUnprintable(encoded []byte) []byte {
	text := strings.TrimSuffix(string(encoded), "\n")
	if Text(text) == text {
		return encoded
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case strconv.IsPrint(r):
			b.WriteRune(r)
		case r > 0xffff:
			high, low := (r-0x10000)>>10+0xd800, (r-0x10000)&0x3ff+0xdc00
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return []byte(b.String() + "\n")
}

// validText returns a copy of v in which each string is UTF-8.
func validText(v reflect.Value) reflect.Value {
	if !v.IsValid() {
		return v
	}
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) {
			out.SetString(Text(s))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(validText(v.Elem()))
		}
	case reflect.Interface:
		if !v.IsNil() {
			out.Set(validText(v.Elem()))
		}
	case reflect.Slice:
		if !v.IsNil() {
			out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		}
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			out.Index(i).Set(validText(v.Index(i)))
		}
	case reflect.Map:
		if !v.IsNil() {
			out.Set(reflect.MakeMapWithSize(v.Type(), v.Len()))
		}
		for _, key := range v.MapKeys() {
			out.SetMapIndex(validText(key), validText(v.MapIndex(key)))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if field := out.Field(i); field.CanSet() { // not the unexported ones
				field.Set(validText(v.Field(i)))
			}
		}
	}
	return out
}
