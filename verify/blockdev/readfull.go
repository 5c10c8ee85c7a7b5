package blockdev

import (
	"errors"
	"io"
)

// ReadFull fills b from the offset off, in bytes. If r ends before, the error is
// io.ErrUnexpectedEOF; any other error is the reader's.
func ReadFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
