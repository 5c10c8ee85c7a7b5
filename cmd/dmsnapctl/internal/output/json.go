package output

// JSON: one object to a line.

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

// JSON writes v as one line. Names in it are safe to show as they stand:
// characters that would command a terminal are escaped, which any decoder
// undoes, and bytes that are no UTF-8 read \xNN.
func JSON(w io.Writer, v any) error {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	// The encoder's mark of a byte that is no UTF-8; the byte is lost in it.
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

// escapeUnprintable writes as \uNNNN what stands raw in encoded JSON and would
// command a terminal. It stands in strings only.
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

// validText is a copy of v in which each string is UTF-8.
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
			if field := out.Field(i); field.CanSet() { // not those that are not exported
				field.Set(validText(v.Field(i)))
			}
		}
	}
	return out
}
