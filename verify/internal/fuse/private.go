package fuse

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Private is an image that can be written without changing the image below it.
// Written blocks go to a sparse, unnamed file, each at its own offset. Memory
// holds one bit per block, in pages that exist only where blocks were written.
type Private struct {
	below io.ReaderAt
	size  int64

	mu      sync.RWMutex // writes are exclusive: a block is complete before it counts
	spill   *os.File
	dir     string
	written map[int64]*[bitsPage / 8]byte
}

const (
	blockBytes = 4096
	bitsPage   = 8192 // blocks to a page of bits
)

// NewPrivate returns an image that equals below until it is written to. Close
// frees the space of the written blocks.
func NewPrivate(below io.ReaderAt, size int64, dir string) *Private {
	return &Private{below: below, size: size, dir: dir, written: map[int64]*[bitsPage / 8]byte{}}
}

// Close frees the space of the written blocks.
func (p *Private) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spill == nil {
		return nil
	}
	err := p.spill.Close()
	p.spill, p.written = nil, map[int64]*[bitsPage / 8]byte{}
	return err
}

// ReadAt implements io.ReaderAt.
func (p *Private) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	want := b[:min(int64(len(b)), max(0, p.size-off))]
	done := 0
	for done < len(want) {
		from, n := p.run(off+int64(done), int64(len(want)-done))
		got, err := from.ReadAt(want[done:done+int(n)], off+int64(done))
		done += got
		if got < int(n) {
			return done, noEOF(err)
		}
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}

// run is where the bytes starting at off are stored, and how many of most are
// there.
func (p *Private) run(off, most int64) (from io.ReaderAt, n int64) {
	block := off / blockBytes
	own := p.has(block)
	end := off + most
	for block++; block*blockBytes < end && p.has(block) == own; block++ {
	}
	n = min(end, block*blockBytes) - off
	if own {
		return p.spill, n
	}
	return p.below, n
}

// WriteAt implements io.WriterAt within the image's size.
func (p *Private) WriteAt(b []byte, off int64) (int, error) {
	if off < 0 || off > p.size || int64(len(b)) > p.size-off {
		return 0, fmt.Errorf("write of %s at %d: the image has %d", count.Of(len(b), "byte"), off, p.size)
	}
	if len(b) == 0 {
		return 0, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.open(); err != nil {
		return 0, err
	}
	first, last := off/blockBytes, (off+int64(len(b))-1)/blockBytes
	// The edges of the first and the last block come from below.
	for _, block := range []int64{first, last} {
		start := block * blockBytes
		whole := start >= off && min(start+blockBytes, p.size) <= off+int64(len(b))
		if !whole && !p.has(block) {
			if err := p.fill(block); err != nil {
				return 0, err
			}
		}
	}
	n, err := p.spill.WriteAt(b, off)
	if err != nil {
		return n, err
	}
	for block := first; block <= last; block++ {
		p.set(block)
	}
	return n, nil
}

func (p *Private) open() error {
	if p.spill != nil {
		return nil
	}
	f, err := os.CreateTemp(p.dir, "image-writes-*")
	if err != nil {
		return err
	}
	if err := os.Remove(f.Name()); err != nil {
		return errors.Join(err, f.Close())
	}
	p.spill = f
	return nil
}

// fill copies a block from below, and marks it as written.
func (p *Private) fill(block int64) error {
	var buf [blockBytes]byte
	off := block * blockBytes
	b := buf[:min(blockBytes, p.size-off)]
	if err := blockdev.ReadFull(p.below, b, off); err != nil {
		return err
	}
	if _, err := p.spill.WriteAt(b, off); err != nil {
		return err
	}
	p.set(block)
	return nil
}

func (p *Private) has(block int64) bool {
	page := p.written[block/bitsPage]
	bit := block % bitsPage
	return page != nil && page[bit/8]&(1<<(bit%8)) != 0
}

func (p *Private) set(block int64) {
	page := p.written[block/bitsPage]
	if page == nil {
		page = new([bitsPage / 8]byte)
		p.written[block/bitsPage] = page
	}
	bit := block % bitsPage
	page[bit/8] |= 1 << (bit % 8)
}

// noEOF is the error for a short read within the image.
func noEOF(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
