package output

// Streams: stdout and stderr.

import (
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// Stream is a stream for people. It remembers that something could not be
// written: a result that did not arrive must not look like success. What
// nobody's screen should get goes out as escapes, whatever wrote it: bytes that
// are no UTF-8, C1 and bidi controls, and in a locale that is not UTF-8 all but
// ASCII. (Colours and progress need the control characters of ASCII: whoever
// prints a name uses [Name].) Data and commands go past it: see [Raw].
type Stream struct {
	io.Writer
	Err error // the first one

	mu   sync.Mutex
	tail []byte // the beginning of a character
}

// Write is io.Writer.
func (s *Stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := append(s.tail, p...)
	s.tail = nil
	if cut := unfinished(text); cut > 0 {
		s.tail = append(s.tail, text[len(text)-cut:]...)
		text = text[:len(text)-cut]
	}
	if _, err := s.write([]byte(shown(string(text), UTF8(), true))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what is left of a character that was never ended.
func (s *Stream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tail) > 0 {
		_, _ = s.write([]byte(shown(string(s.tail), UTF8(), true))) // Err remembers
		s.tail = nil
	}
	return s.Err
}

func (s *Stream) write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := s.Writer.Write(p)
	if err != nil && s.Err == nil {
		s.Err = err
	}
	return n, err
}

// unfinished is how many bytes at the end of text begin a character and do not
// end it.
func unfinished(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRune(last) {
				return 0
			}
			return n
		}
	}
	return 0
}

// Raw is the way past a stream's escapes, for data, for machines' formats, and
// for commands that write by themselves. Errors are remembered as ever.
func Raw(w io.Writer) io.Writer {
	if s, ok := w.(*Stream); ok {
		return raw{s}
	}
	return w
}

type raw struct{ s *Stream }

func (r raw) Write(p []byte) (int, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if below, ok := r.s.Writer.(*Stream); ok {
		return raw{below}.Write(p)
	}
	return r.s.write(p)
}

// FileOf is the file behind a reader or a writer, if there is one.
func FileOf(w any) (*os.File, bool) {
	switch w := w.(type) {
	case raw:
		return FileOf(w.s)
	case *Stream:
		return FileOf(w.Writer)
	case *os.File:
		return w, true
	}
	return nil, false
}

// IsTerminal tells whether w is a terminal.
func IsTerminal(w any) bool {
	f, ok := FileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}
