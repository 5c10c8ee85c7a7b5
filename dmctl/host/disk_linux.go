package host

// A block device as an open handle.

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// disk is open for reading and claims nothing by itself; claim is the same
// device opened again, exclusively. Both lead to the device that was first
// opened: neither looks up a path.
type disk struct {
	*blockdev.File
	name     string
	readOnly bool
	claim    *blockdev.File // nil: not claimed
}

var _ Disk = (*disk)(nil)

// Open implements Host.
func (h *Linux) Open(path string) (Disk, error) { return h.open(path, path) }

func (h *Linux) open(path, name string) (Disk, error) {
	f, err := blockdev.Open(path)
	if err != nil {
		return nil, err
	}
	if !f.IsBlockDevice() {
		return nil, errors.Join(devices.RefuseFor(ErrPlainFile, "%s is a plain file, device mapper takes block devices", path), f.Close())
	}
	return &disk{File: f, name: name, readOnly: h.sys.IsReadOnly(f.DevNo())}, nil
}

// OpenDev implements Host.
func (h *Linux) OpenDev(dev blockdev.DevNo) (d Disk, err error) {
	err = h.withNode(dev, func(path string) error {
		d, err = h.open(path, h.sys.NodePath(dev))
		return err
	})
	if err != nil && d != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, err
}

func (d *disk) Path() string        { return d.name }
func (d *disk) Dev() blockdev.DevNo { return d.DevNo() }
func (d *disk) Bytes() int64        { return d.Size() }
func (d *disk) Block() int          { return d.LogicalBlockSize() }
func (d *disk) ReadOnly() bool      { return d.readOnly }

func (d *disk) Claim() error {
	if d.claim != nil {
		return nil
	}
	claim, err := d.File.Claim()
	if errors.Is(err, blockdev.ErrBusy) {
		return devices.Busy("%s is in use: it is mounted, held by another device or opened exclusively", d.Path())
	}
	if err != nil {
		return err
	}
	d.claim = claim
	return nil
}

func (d *disk) Release() {
	if d.claim != nil {
		_ = d.claim.Close() // it was opened for reading: nothing can be lost
		d.claim = nil
	}
}

func (d *disk) Close() error {
	d.Release()
	return d.File.Close()
}

func (d *disk) Content() (Content, error) { return d.Direct() }

// Signatures implements Disk: the common magics and the result of blkid.
func (d *disk) Signatures() (kinds []string, common bool, err error) {
	direct, err := d.Direct() // the page cache may not have what the kernel wrote below it
	if err != nil {
		return nil, false, err
	}
	found, err := blockdev.Probe(direct, direct.Size())
	if err := errors.Join(err, direct.Close()); err != nil {
		return nil, false, err
	}
	more, err := blockdev.Blkid(context.Background(), d.File)
	common = errors.Is(err, blockdev.ErrNoBlkid)
	if err != nil && !common {
		return nil, false, err
	}
	seen := map[string]bool{}
	for _, s := range append(found, more...) {
		if !seen[s.Type] {
			kinds = append(kinds, s.Type)
		}
		seen[s.Type] = true
	}
	return kinds, common, nil
}

// Writer implements Disk.
func (d *disk) Writer() (Writer, error) {
	if d.claim == nil {
		return nil, fmt.Errorf("write to %s: it is not claimed", d.Path())
	}
	w, err := d.File.Writer()
	if err != nil {
		return nil, err
	}
	return writer{w}, nil
}

// writer leaves no stale page cache for the kernel, which writes below it.
type writer struct{ *blockdev.File }

func (w writer) Flush() error {
	if err := w.File.Flush(); err != nil {
		return err
	}
	return w.DropCache()
}

// Zero implements Disk.
func (d *disk) Zero(bytes int64) error {
	if claimed := d.claim != nil; !claimed {
		if err := d.Claim(); err != nil {
			return err
		}
		defer d.Release()
	}
	w, err := d.File.Writer()
	if err != nil {
		return err
	}
	err = zero(w, bytes)
	if err == nil {
		// The kernel will write below the page cache: nothing stale may stay.
		err = w.DropCache()
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return fmt.Errorf("zero the start of %s: %w", d.Path(), err)
	}
	return nil
}

// zeroPiece is how much is written at once, in bytes.
const zeroPiece = 1 << 20

func zero(d blockdev.Device, bytes int64) error {
	if bytes > d.Size() {
		return fmt.Errorf("it has %s, fewer than the %d to zero", count.Of(d.Size(), "byte"), bytes)
	}
	piece := make([]byte, min(zeroPiece, bytes))
	for off := int64(0); off < bytes; off += int64(len(piece)) {
		if _, err := d.WriteAt(piece[:min(int64(len(piece)), bytes-off)], off); err != nil {
			return err
		}
	}
	return d.Flush()
}
