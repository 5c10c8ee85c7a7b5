// Overlays: a state as a readable device, without writing it out.

package crash

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Overlay is what a crash left of the logged device: the base image with the
// entries of a state on top. It reads data from the log on demand.
type Overlay struct {
	log      *logwrites.Log
	base     base
	blocks   map[uint64]covered
	discards []discard
	extra    map[uint64][]byte // blocks written after the crash
	size     uint64
}

// covered is the log data that a block has.
type covered struct {
	entry int
	block uint64 // of the entry
}

// NewOverlay returns the state of a log over a base image of baseSize bytes. If
// the image is nil, and after its end, the device is zeros. The state's Again
// is ignored.
func NewOverlay(l *logwrites.Log, s State, baseImage io.ReaderAt, baseSize int64) (*Overlay, error) {
	o := &Overlay{log: l, base: newBase(baseImage, baseSize), blocks: map[uint64]covered{}, extra: map[uint64][]byte{}, size: uint64(max(0, baseSize))}
	if n := l.Len(); s.Durable > n || s.Last() >= n {
		return nil, fmt.Errorf("state %v: the log has %s", s, count.Of(n, "entry", "entries"))
	}
	for i := range s.Durable {
		if err := o.cover(Choice{Entry: i}); err != nil {
			return nil, err
		}
	}
	for _, c := range s.Chosen {
		if err := o.cover(c); err != nil {
			return nil, fmt.Errorf("state %v: %w", s, err)
		}
	}
	return o, nil
}

// cover puts an entry, or some of its blocks, on top.
func (o *Overlay) cover(c Choice) error {
	e := o.log.Entry(c.Entry)
	if !e.Writes() {
		return nil
	}
	ss := o.log.SectorSize
	if end := e.Sector + e.Sectors; end < 1<<63/ss {
		o.size = max(o.size, end*ss)
	}
	if e.Flags&logwrites.Discard != 0 && c.Blocks == nil {
		o.discards = append(o.discards, discard{c.Entry, span{e.Sector, e.Sector + e.Sectors}})
		return nil
	}
	one := func(b uint64) {
		if e.Flags&logwrites.Discard != 0 {
			o.discards = append(o.discards, discard{c.Entry, span{e.Sector + b, e.Sector + b + 1}})
			return
		}
		o.blocks[e.Sector+b] = covered{c.Entry, b}
	}
	if c.Blocks == nil {
		for b := range e.Sectors {
			one(b)
		}
		return nil
	}
	for _, b := range c.Blocks {
		if uint64(b) >= e.Sectors {
			return fmt.Errorf("entry %d has no block %d", c.Entry, b)
		}
		one(uint64(b))
	}
	return nil
}

// Size returns the end of the known part of the device, in bytes.
func (o *Overlay) Size() int64 { return int64(o.size) }

// Grow extends the device to the end of a region.
func (o *Overlay) Grow(r Region) { o.size = max(o.size, uint64(r.Start+r.Len)*cow.SectorSize) }

// ReadAt implements io.ReaderAt. After the end of the known part there are
// zeros.
func (o *Overlay) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	ss := o.log.SectorSize
	block := make([]byte, ss)
	done := 0
	for done < len(p) {
		at := uint64(off) + uint64(done)
		piece := p[done:min(len(p), done+int(ss-at%ss))]
		if err := o.readBlock(block, at/ss); err != nil {
			return done, err
		}
		done += copy(piece, block[at%ss:])
	}
	return done, nil
}

// readBlock reads one block of the log's size.
func (o *Overlay) readBlock(buf []byte, block uint64) error {
	if data, ok := o.extra[block]; ok {
		copy(buf, data)
		return nil
	}
	c, ok := o.blocks[block]
	later := func(d discard) bool { return d.holds(block) && (!ok || d.entry > c.entry) }
	switch {
	case slices.ContainsFunc(o.discards, later):
		clear(buf)
		return nil
	case ok:
		return o.log.ReadData(o.log.Entry(c.entry), c.block, buf)
	default:
		return o.base.read(buf, block*o.log.SectorSize)
	}
}

// WriteTo writes the device to w, except blocks of zeros: w must read as zeros.
// It reads the base image sequentially.
func (o *Overlay) WriteTo(w io.WriterAt) error {
	buf := make([]byte, 1<<20)
	for at := uint64(0); at < o.size; at += uint64(len(buf)) {
		piece := buf[:min(uint64(len(buf)), o.size-at)]
		if _, err := o.ReadAt(piece, int64(at)); err != nil {
			return fmt.Errorf("reading the state at byte %d: %w", at, err)
		}
		for i := 0; i < len(piece); i += 4096 {
			block := piece[i:min(len(piece), i+4096)]
			if blockdev.IsZero(block) {
				continue
			}
			if _, err := w.WriteAt(block, int64(at)+int64(i)); err != nil {
				return fmt.Errorf("writing the state at byte %d: %w", at+uint64(i), err)
			}
		}
	}
	return nil
}
