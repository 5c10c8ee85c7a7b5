package blockdev

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// reading is a reader that answers in one way.
type reading struct {
	n   int
	err error
}

func (r reading) ReadAt([]byte, int64) (int, error) { return r.n, r.err }

// TestReadFull: whoever gets fewer bytes gets an error, and io.EOF beside all
// bytes is none.
func TestReadFull(t *testing.T) {
	broken := errors.New("broken")
	for _, test := range []struct {
		reader reading
		want   error
	}{
		{reading{4, nil}, nil}, {reading{4, io.EOF}, nil}, {reading{4, broken}, nil},
		{reading{3, nil}, io.ErrUnexpectedEOF}, {reading{0, io.EOF}, io.ErrUnexpectedEOF},
		{reading{3, broken}, broken}, {reading{0, broken}, broken},
	} {
		if err := ReadFull(test.reader, make([]byte, 4), 0); !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%+v: %v, want %v", test.reader, err, test.want)
		}
	}
	var b [3]byte
	if err := ReadFull(strings.NewReader("abcdef"), b[:], 2); err != nil || string(b[:]) != "cde" {
		t.Errorf("%q, %v", b, err)
	}
}
