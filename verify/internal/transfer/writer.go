package transfer

import (
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// longBytes is how much is written in order before the disk begins to write it.
const longBytes = 8 << 20

// Writer writes to a file or a block device. What was written in order is on its
// way to the disk while more is copied, so that the flush at the end has little
// left to wait for. What is written out of order waits in the page cache, which
// puts it in order.
type Writer struct {
	to     io.WriterAt
	begin  func(offset, length int64) // to write to the disk
	behind Part                       // in order, and not begun
}

// NewWriter returns a writer to a target, which it does not flush or close.
func NewWriter(to io.WriterAt) *Writer {
	return &Writer{to: to, begin: func(offset, length int64) { blockdev.StartWriteback(to, offset, length) }}
}

// WriteAt implements io.WriterAt.
func (w *Writer) WriteAt(b []byte, at int64) (int, error) {
	n, err := w.to.WriteAt(b, at)
	if w.behind.End() != at {
		w.behind = Part{Offset: at}
	}
	w.behind.Length += int64(n)
	if w.behind.Length >= longBytes {
		w.begin(w.behind.Offset, w.behind.Length)
		w.behind = Part{Offset: w.behind.End()}
	}
	return n, err
}
