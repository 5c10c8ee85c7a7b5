package output

// Streams: stdout and stderr.

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Stream remembers that something could not be written: a result that did not
// arrive must not look like success.
type Stream struct {
	io.Writer
	Err error // the first one
}

// Write is io.Writer.
func (s *Stream) Write(p []byte) (int, error) {
	n, err := s.Writer.Write(p)
	if err != nil && s.Err == nil {
		s.Err = err
	}
	return n, err
}

// FileOf is the file behind a reader or a writer, if there is one.
func FileOf(w any) (*os.File, bool) {
	if s, ok := w.(*Stream); ok {
		w = s.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

// IsTerminal tells whether w is a terminal.
func IsTerminal(w any) bool {
	f, ok := FileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}
