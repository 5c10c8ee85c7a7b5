package output

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

// TestObject: the pieces are one object, whatever is empty.
func TestObject(t *testing.T) {
	type inner struct {
		Name string `json:"name"`
		Size int    `json:"size"`
	}
	raw := func(text string) func(*bufio.Writer) error {
		return func(w *bufio.Writer) error {
			_, err := w.WriteString(text)
			return err
		}
	}
	for _, tt := range []struct {
		want  string
		write func(o *Object) error
	}{
		{"{}\n", func(o *Object) error { return o.Fields(struct{}{}) }},
		{`{"name":"a\u202e<","size":1,"complete":true}` + "\n", func(o *Object) error {
			return errors.Join(o.Fields(inner{"a\u202e<", 1}), o.Field("complete", true))
		}},
		{`{"first":[],"second":[{"name":"b","size":2},3],"third":[4,5],"last":null}` + "\n", func(o *Object) error {
			o.BeginList("first")
			o.EndList()
			o.BeginList("second")
			err := errors.Join(o.Element(inner{"b", 2}), o.Element(3))
			o.EndList()
			o.BeginList("third")
			err = errors.Join(err, o.Elements(raw("4,5")))
			o.EndList()
			return errors.Join(err, o.Field("last", nil))
		}},
		{`{"empty":[],"next":1}` + "\n", func(o *Object) error {
			o.BeginList("empty")
			err := o.Elements(raw(""))
			o.EndList()
			return errors.Join(err, o.Field("next", 1))
		}},
	} {
		var b bytes.Buffer
		o := NewObject(&b)
		if err := errors.Join(tt.write(o), o.Close(true)); err != nil || b.String() != tt.want {
			t.Errorf("%q, %v; want %q", b.String(), err, tt.want)
		}
	}
}

// TestIncompleteObject: an object that is not complete does not look so.
func TestIncompleteObject(t *testing.T) {
	var b bytes.Buffer
	o := NewObject(&b)
	o.BeginList("ranges")
	if err := errors.Join(o.Element(1), o.Close(false)); err != nil || b.String() != `{"ranges":[1` {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// TestObjectsRememberErrors: what could not be written is not lost.
func TestObjectsRememberErrors(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(io.ErrClosedPipe)
	o := NewObject(w)
	errField := o.Field("long", strings.Repeat("x", 2*objectBuffer))
	if err := o.Close(true); !errors.Is(err, io.ErrClosedPipe) || !errors.Is(errField, io.ErrClosedPipe) {
		t.Errorf("%v, %v", errField, err)
	}
	if err := NewObject(io.Discard).Field("none", func() {}); err == nil {
		t.Error("a function is JSON")
	}
}

// TestObjectsBypassEscapes: a stream for people would change their texts.
func TestObjectsBypassEscapes(t *testing.T) {
	var b bytes.Buffer
	t.Setenv("LC_ALL", "C")
	o := NewObject(&Stream{Writer: &b})
	if err := errors.Join(o.Field("name", "größe"), o.Close(true)); err != nil || b.String() != `{"name":"größe"}`+"\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}
