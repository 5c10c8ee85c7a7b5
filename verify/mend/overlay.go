package mend

import (
	"context"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// larger is a device as it will be once it has grown: zeroes after its end.
type larger struct {
	blockdev.Device
	size int64
}

func (l larger) Size() int64 { return l.size }

func (l larger) ReadAt(p []byte, off int64) (int, error) {
	if off >= l.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), l.size-off)]
	n := 0
	if off < l.Device.Size() {
		have := want[:min(int64(len(want)), l.Device.Size()-off)]
		if err := readFull(l.Device, have, off); err != nil {
			return 0, err
		}
		n = len(have)
	}
	clear(want[n:])
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// Readable is a device that is only read.
type Readable interface {
	io.ReaderAt
	Size() int64 // bytes
}

// overlay is a device with writes kept in memory, for a rehearsal. There are
// few writes: those of records and headers.
type overlay struct {
	below  Readable
	blocks map[int64][]byte
}

// Rehearsed returns the plan's one device as it will be after a run, with the
// writes kept in memory. The plan must have few writes, such as those of
// records and headers, and must not read what it wrote.
func (p *Plan) Rehearsed(ctx context.Context, dev blockdev.Device) (blockdev.Device, error) {
	copied := newOverlay(dev)
	for _, stage := range p.Stages {
		stage.device, stage.grow = copied, 0
		if err := stage.run(ctx, func(int) {}); err != nil {
			return nil, err
		}
	}
	return copied, nil
}

const overlayBlock = 4096

// zeroBlock stands for all blocks that were cleared. It is never written to.
var zeroBlock [overlayBlock]byte

func newOverlay(below Readable) *overlay {
	return &overlay{below: below, blocks: map[int64][]byte{}}
}

func (o *overlay) Size() int64  { return o.below.Size() }
func (o *overlay) Flush() error { return nil }

func (o *overlay) ReadAt(p []byte, off int64) (int, error) {
	n, err := o.below.ReadAt(p, off)
	for at := off / overlayBlock * overlayBlock; at < off+int64(n); at += overlayBlock {
		if b, ok := o.blocks[at]; ok {
			from := max(at, off)
			copy(p[from-off:n], b[from-at:])
		}
	}
	return n, err
}

func (o *overlay) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > o.Size() {
		return 0, io.ErrShortWrite
	}
	for n := 0; n < len(p); {
		at := (off + int64(n)) / overlayBlock * overlayBlock
		b, ok := o.blocks[at]
		if len(p)-n >= overlayBlock && at == off+int64(n) && blockdev.IsZero(p[n:n+overlayBlock]) {
			o.blocks[at] = zeroBlock[:]
			n += overlayBlock
			continue
		}
		if ok && &b[0] == &zeroBlock[0] {
			b = make([]byte, overlayBlock)
			o.blocks[at] = b
		}
		if !ok {
			b = make([]byte, min(overlayBlock, o.Size()-at))
			if err := readFull(o.below, b, at); err != nil {
				return n, err
			}
			o.blocks[at] = b
		}
		n += copy(b[off+int64(n)-at:], p[n:])
	}
	return len(p), nil
}
