package output

// Streams: stdout and stderr.

import (
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// Stream is a stream for people. It remembers write errors: a result that did
// not arrive must not look like success. It escapes what no terminal should
// get, no matter who wrote it: bytes that are not UTF-8, C1 and bidi controls,
// and in a locale that is not UTF-8 everything but ASCII. It passes on the
// control characters of ASCII, which colours and progress need, so print names
// with [Name]. Data and commands bypass it with [Raw].
type Stream struct {
	io.Writer
	Err error // the first one

	mu   sync.Mutex
	tail []byte // the start of a character
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

// Flush writes an incomplete character at the end.
func (s *Stream) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.tail) > 0 {
		_, _ = s.write([]byte(shown(string(s.tail), UTF8(), true))) // Err has it
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

// unfinished returns the number of bytes at the end of text that begin a
// character but do not complete it.
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

// Raw returns a writer that bypasses a stream's escapes: for data, for machine
// formats, and for commands that write on their own. Errors are still
// remembered.
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

// FileOf returns the file behind a reader or a writer, if there is one.
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

// IsTerminal reports whether w is a terminal.
func IsTerminal(w any) bool {
	f, ok := FileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}
