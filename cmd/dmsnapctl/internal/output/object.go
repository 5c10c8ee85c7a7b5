package output

// JSON objects that are written piece by piece: their lists may not fit in memory.

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// Object writes one JSON object as a line. Its texts are escaped as JSON does it.
type Object struct {
	w     *bufio.Writer // remembers the first error of writing
	first bool          // nothing was written since the object or its list began
}

// objectBuffer is how much of an object is written at once, in bytes.
const objectBuffer = 64 << 10

// NewObject begins an object. Until Close, part of it is only in memory.
func NewObject(w io.Writer) *Object {
	o := &Object{w: bufio.NewWriterSize(Raw(w), objectBuffer), first: true}
	_ = o.w.WriteByte('{')
	return o
}

// Field writes a field.
func (o *Object) Field(name string, v any) error {
	o.name(name)
	return o.value(v)
}

// Fields writes the fields of a struct.
func (o *Object) Fields(v any) error {
	text, err := encoded(v)
	if err != nil {
		return err
	}
	if text = bytes.TrimSuffix(bytes.TrimPrefix(text, []byte("{")), []byte("}")); len(text) == 0 {
		return nil
	}
	o.separate()
	_, err = o.w.Write(text)
	return wroteResult(err)
}

// BeginList begins a field that is a list. Elements and EndList must follow.
func (o *Object) BeginList(name string) {
	o.name(name)
	_ = o.w.WriteByte('[')
	o.first = true
}

// Element writes one element of the list.
func (o *Object) Element(v any) error {
	o.separate()
	return o.value(v)
}

// Elements has a function write all elements of the list, as JSON with commas
// between them, and returns its error.
func (o *Object) Elements(write func(*bufio.Writer) error) error { return write(o.w) }

// EndList ends the list.
func (o *Object) EndList() {
	_ = o.w.WriteByte(']')
	o.first = false
}

// Close ends the object, unless it is to stay incomplete, and writes what is in
// memory. It returns the first error of writing.
func (o *Object) Close(complete bool) error {
	if complete {
		_, _ = o.w.WriteString("}\n")
	}
	return wroteResult(o.w.Flush())
}

func (o *Object) name(name string) {
	o.separate()
	text, _ := json.Marshal(name) // a text can always be encoded
	_, _ = o.w.Write(append(text, ':'))
}

func (o *Object) separate() {
	if !o.first {
		_ = o.w.WriteByte(',')
	}
	o.first = false
}

func (o *Object) value(v any) error {
	text, err := encoded(v)
	if err == nil {
		_, err = o.w.Write(text)
		err = wroteResult(err)
	}
	return err
}

// encoded is v as JSON, as JSON writes it, without the newline.
func encoded(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := JSON(&b, v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

func wroteResult(err error) error {
	if err != nil {
		err = fmt.Errorf("writing the result: %w", err)
	}
	return err
}
