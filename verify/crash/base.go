// The logged device before the log.

package crash

import (
	"errors"
	"io"
)

// base is the disk before the first entry of the log.
type base struct {
	io.ReaderAt        // nil for zeros
	size        uint64 // bytes; zeros after them
}

func newBase(r io.ReaderAt, bytes int64) base { return base{r, uint64(max(0, bytes))} }

// read fills buf from offset. After the base's end there are zeros.
func (b base) read(buf []byte, offset uint64) error {
	clear(buf)
	if b.ReaderAt == nil || offset >= b.size {
		return nil
	}
	buf = buf[:min(uint64(len(buf)), b.size-offset)]
	if n, err := b.ReadAt(buf, int64(offset)); n < len(buf) && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
