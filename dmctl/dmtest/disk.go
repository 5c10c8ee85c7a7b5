package dmtest

// Disks in memory.

import (
	"errors"
	"io"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Disk is a block device that device mapper does not know.
type Disk struct {
	Number    blockdev.DevNo
	Size      int64 // bytes
	BlockSize int   // bytes
	ReadOnly  bool
	Data      []byte   // its content; the rest is zeros
	Carries   []string // known signatures
	Mounted   string   // the mount point, or ""
	LiesOn    []blockdev.DevNo
	Lost      bool // what is below it is unknown
}

// blockSize is the size of a disk's logical blocks, in bytes, unless a test
// changes it.
const blockSize = 512

// EmptyStore returns the start of a COW device with an empty store whose chunks
// have chunkSectors sectors.
func EmptyStore(chunkSectors uint32) []byte {
	b := make([]byte, 2*cow.SectorSize*int(chunkSectors))
	copy(b, cow.Header{Magic: cow.Magic, Valid: 1, Version: cow.Version, ChunkSize: chunkSectors}.AppendTo(nil))
	return b
}

// handle is an open disk. It stays with its disk even if the path changes.
type handle struct {
	m       *Machine
	d       *Disk
	path    string
	loop    *Loop // nil for other disks
	claimed bool
	closed  bool
}

var _ host.Disk = (*handle)(nil)

var errClosed = errors.New("the disk is closed")

func (h *handle) Path() string        { return h.path }
func (h *handle) Dev() blockdev.DevNo { return h.d.Number }
func (h *handle) Bytes() int64        { return h.d.Size }
func (h *handle) Block() int          { return h.d.BlockSize }
func (h *handle) ReadOnly() bool      { return h.d.ReadOnly }

func (h *handle) Claim() error {
	switch {
	case h.closed:
		return errClosed
	case h.claimed:
		return nil
	case len(h.m.usersOf(h.Dev())) > 0 || h.m.claims[h.Dev()]:
		return devices.Busy("%s is in use", h.path)
	}
	h.claimed = true
	h.m.claims[h.Dev()] = true
	return nil
}

func (h *handle) Release() {
	if h.claimed {
		h.claimed = false
		delete(h.m.claims, h.Dev())
	}
}

func (h *handle) Close() error {
	h.Release()
	if h.loop != nil && !h.closed {
		h.loop.handles--
		h.m.settle()
	}
	h.closed = true
	return nil
}

func (h *handle) Signatures() (kinds []string, common bool, err error) {
	return h.d.Carries, h.m.NoBlkid, nil
}

func (h *handle) Content() (host.Content, error) { return content{h.d}, nil }

func (h *handle) Zero(bytes int64) error {
	if !h.claimed {
		if err := h.Claim(); err != nil {
			return err
		}
		defer h.Release()
	}
	if err := h.touch("a disk"); err != nil {
		return err
	}
	h.m.Zeroed = append(h.m.Zeroed, h.Dev())
	clear(h.d.Data[:min(bytes, int64(len(h.d.Data)))])
	return nil
}

func (h *handle) Writer() (host.Writer, error) {
	if !h.claimed {
		return nil, errors.New("the disk is not claimed")
	}
	return writer{h}, nil
}

// writer writes to a claimed disk.
type writer struct{ h *handle }

func (w writer) Close() error { return nil }
func (w writer) Flush() error { return w.h.Flush() }

func (w writer) WriteAt(p []byte, off int64) (int, error) {
	d := w.h.d
	if off < 0 || off+int64(len(p)) > d.Size {
		return 0, io.ErrShortWrite
	}
	if err := w.h.touch("a disk"); err != nil {
		return 0, err
	}
	if more := off + int64(len(p)) - int64(len(d.Data)); more > 0 {
		d.Data = append(d.Data, make([]byte, more)...)
	}
	return copy(d.Data[off:], p), nil
}

func (h *handle) Flush() error { return h.touch("a disk") }

func (h *handle) DropCache() error {
	if err := h.touch("a disk"); err != nil {
		return err
	}
	h.m.CacheDropped = append(h.m.CacheDropped, h.path)
	return nil
}

func (h *handle) touch(what string) error {
	if h.closed {
		return errClosed
	}
	return h.m.touch(what)
}

// content returns a disk's whole content.
type content struct{ d *Disk }

func (c content) Size() int64  { return c.d.Size }
func (c content) Close() error { return nil }

func (c content) ReadAt(p []byte, off int64) (int, error) {
	if off >= c.d.Size {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), c.d.Size-off))
	clear(p[:n])
	if off < int64(len(c.d.Data)) {
		copy(p[:n], c.d.Data[off:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}
