package transfer

import (
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

const (
	// longBytes is how much is written in order before the disk begins to write it.
	longBytes = 8 << 20
	// restBytes is the most to leave out between two writes that are in order.
	restBytes = 1 << 20
)

// Writer writes to a file or a block device. What was written in order is on its
// way to the disk while more is copied, so that the flush at the end has little
// left to wait for. What is written out of order waits in the page cache, which
// puts it in order.
type Writer struct {
	to      io.WriterAt
	begin   func(offset, length int64) // to write to the disk
	behind  Part                       // in order, and not begun
	written int64                      // bytes of behind; the others were left out
}

// NewWriter returns a writer to a target, which it does not flush or close.
func NewWriter(to io.WriterAt) *Writer {
	return &Writer{to: to, begin: func(offset, length int64) { blockdev.StartWriteback(to, offset, length) }}
}

// WriteAt implements io.WriterAt.
func (w *Writer) WriteAt(b []byte, at int64) (int, error) {
	n, err := w.to.WriteAt(b, at)
	if rest := at - w.behind.End(); w.written == 0 || rest < 0 || rest > restBytes {
		w.behind, w.written = Part{Offset: at}, 0
	}
	w.behind.Length, w.written = at+int64(n)-w.behind.Offset, w.written+int64(n)
	if w.written >= longBytes {
		w.begin(w.behind.Offset, w.behind.Length)
		w.written = 0
	}
	return n, err
}
