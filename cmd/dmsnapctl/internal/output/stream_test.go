package output

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// TestStreamsCommandNothing: no writer can send bytes that a terminal should
// not get. Data is not changed.
func TestStreamsCommandNothing(t *testing.T) {
	const hostile = "a ä 漢\u202e\u009b\xff\n"
	for locale, want := range map[string]string{
		"C":       `a \u00e4 \u6f22\u202e\u009b\xff` + "\n",
		"C.UTF-8": `a ä 漢\u202e\u009b\xff` + "\n",
	} {
		t.Setenv("LC_ALL", locale)
		for piece := 1; piece <= len(hostile); piece++ { // characters in pieces, too
			var b bytes.Buffer
			s := &Stream{Writer: &b}
			for rest := hostile; rest != ""; {
				n := min(piece, len(rest))
				if written, err := s.Write([]byte(rest[:n])); written != n || err != nil {
					t.Fatalf("wrote %d of %d, %v", written, n, err)
				}
				rest = rest[n:]
			}
			if err := s.Flush(); err != nil || b.String() != want {
				t.Errorf("%s, in pieces of %d: %q, want %q; %v", locale, piece, b.String(), want, err)
			}
			b.Reset()
			if _, err := io.WriteString(Raw(s), hostile); err != nil || b.String() != hostile {
				t.Errorf("raw: %q, %v", b.String(), err)
			}
		}
		var b bytes.Buffer
		s := &Stream{Writer: &b}
		_, _ = s.Write([]byte("\x1b[1;31mred\x1b[0m\r\xe6\xbc"))
		if err := s.Flush(); err != nil || b.String() != "\x1b[1;31mred\x1b[0m\r\\xe6\\xbc" {
			t.Errorf("colours, and half a character: %q, %v", b.String(), err)
		}
	}
}

// TestStreamsRemember: no error is lost, whichever call it came from.
func TestStreamsRemember(t *testing.T) {
	broken := errors.New("broken")
	for name, through := range map[string]func(s *Stream) io.Writer{
		"text": func(s *Stream) io.Writer { return s },
		"data": func(s *Stream) io.Writer { return Raw(s) },
		"data through two": func(s *Stream) io.Writer {
			return Raw(&Stream{Writer: s})
		},
	} {
		s := &Stream{Writer: fails{broken}}
		_, _ = through(s).Write([]byte("ä"))
		if !errors.Is(s.Flush(), broken) {
			t.Errorf("%s: the stream remembers %v", name, s.Err)
		}
	}
}

type fails struct{ err error }

func (f fails) Write([]byte) (int, error) { return 0, f.err }
