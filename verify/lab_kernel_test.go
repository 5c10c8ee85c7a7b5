//go:build linux && kernel

// Devices for tests that compare the judge with the kernel.

package verify_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

const (
	originReal  = 8 << 20  // bytes of the origin on a disk; the rest is zeroes
	originBytes = 40 << 30 // of the origin
	cowReal     = 2 << 20  // bytes of the COW device on a disk, at least; later areas are on it too

	originName, cowName, snapName = "oracle-origin", "oracle-cow", "oracle-snap"
)

// lab has an origin and makes one COW device and snapshot at a time.
type lab struct {
	t         *testing.T
	cow       string // the disk for COW devices
	origin    string // the origin's node
	increment uint64 // tags what is written, to distinguish old bytes from new ones
}

func newLab(t *testing.T) *lab {
	t.Helper()
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	l := &lab{t: t, cow: disks[1]}
	f, err := os.OpenFile(disks[0], os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	content := make([]byte, originReal)
	originContent(0, content)
	if _, err := f.WriteAt(content, 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	l.origin, err = create(originName,
		devmapper.LinearTable{Length: originReal, BackendDevice: disks[0]},
		devmapper.ZeroTable{Start: originReal, Length: originBytes - originReal})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := remove(originName); err != nil {
			t.Error(err)
		}
	})
	return l
}

// originContent is the origin's content from offset on: in its first part,
// each sector contains its number.
func originContent(offset uint64, b []byte) {
	clear(b)
	for at := uint64(0); at < uint64(len(b)) && offset+at < originReal; at += 512 {
		binary.LittleEndian.PutUint64(b[at:], 1<<63|(offset+at)/512)
	}
}

// create makes a device and returns its node.
func create(name string, tables ...devmapper.Table) (node string, err error) {
	if err := devmapper.CreateAndLoad(name, "", 0, tables...); err != nil {
		_ = devmapper.Remove(name)
		return "", err
	}
	info, err := devmapper.InfoByName(name)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("/dev/dm-%d", unix.Minor(info.DevNo)), nil
}

// remove removes a device, which the kernel may still hold for a moment.
func remove(name string) (err error) {
	for range 100 {
		if err = devmapper.Remove(name); !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// activate makes the snapshot of the origin's first bytes, and returns its
// node and its status line.
func (l *lab) activate(d *cowDevice, bytes uint64) (node, line string, err error) {
	// The kernel uses the header's chunk size, no matter what the table says.
	node, err = create(snapName, devmapper.SnapshotTable{
		Length: bytes, OriginDevice: l.origin, COWDevice: d.path, Persistent: true, ChunkSize: uint64(d.geometry.ChunkBytes()),
	})
	if err != nil {
		return "", "", err
	}
	line, err = status(snapName)
	return node, line, err
}

// originTable is the table of a device for writing to an origin.
func originTable(origin string) devmapper.Table {
	return devmapper.SnapshotOriginTable{Length: originBytes, OriginDevice: origin}
}

// status returns a snapshot's status line from the numbers on.
func status(name string) (string, error) {
	out, err := exec.Command("dmsetup", "status", name).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("dmsetup status %s: %w: %s", name, err, out)
	}
	_, line, _ := strings.Cut(strings.TrimSpace(string(out)), "snapshot ")
	return line, nil
}

// cowDevice is a COW device of any size: its first chunks and all its areas
// are on a disk, and the later data chunks are zeros.
type cowDevice struct {
	path     string
	geometry cow.Geometry
	chunks   uint64
	low      cow.Chunk // chunks below lie on the disk
	bad      cow.Chunk // cannot be read or written; 0 for none
	tag      uint64
}

// device makes the COW device. Chunk bad of it, if not 0, fails all I/O.
func (l *lab) device(g cow.Geometry, chunks uint64, bad cow.Chunk) (d *cowDevice, err error) {
	l.increment++
	d = &cowDevice{geometry: g, chunks: chunks, bad: bad, tag: l.increment}
	d.low = min(cow.Chunk(chunks), max(34, cow.Chunk(g.ChunksIn(cowReal))))
	size := uint64(g.ChunkBytes())
	tables := []devmapper.Table{devmapper.LinearTable{Length: uint64(d.low) * size, BackendDevice: l.cow}}
	if bad != 0 {
		behind := uint64(bad+1) * size
		tables = []devmapper.Table{
			devmapper.LinearTable{Length: uint64(bad) * size, BackendDevice: l.cow},
			devmapper.ErrorTable{Start: uint64(bad) * size, Length: size},
			devmapper.LinearTable{Start: behind, Length: uint64(d.low)*size - behind, BackendDevice: l.cow, BackendOffset: behind},
		}
	}
	place := d.low // on the disk
	for at := d.low; at < cow.Chunk(chunks); {
		if g.IsMetadata(at) {
			tables = append(tables, devmapper.LinearTable{
				Start: uint64(at) * size, Length: size, BackendDevice: l.cow, BackendOffset: uint64(place) * size,
			})
			at, place = at+1, place+1
			continue
		}
		end := min(cow.Chunk(chunks), g.AreaChunk(g.AreaOf(at)+1))
		tables = append(tables, devmapper.ZeroTable{Start: uint64(at) * size, Length: uint64(end-at) * size})
		at = end
	}
	d.path, err = create(cowName, tables...)
	return d, err
}

// write writes a store, and the data of its exceptions, and flushes.
func (d *cowDevice) write(s cowtest.Store) error {
	f, err := os.OpenFile(d.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := s.Write(d.within(f)); err != nil {
		return err
	}
	b := make([]byte, d.geometry.ChunkBytes())
	for _, e := range s.Exceptions {
		if e.New >= d.low || d.geometry.IsMetadata(e.New) {
			continue
		}
		offset, _ := d.geometry.Offset(e.New)
		d.content(e.New, b)
		if _, err := f.WriteAt(b, int64(offset)); err != nil {
			return err
		}
	}
	return f.Sync()
}

// writerFunc is an io.WriterAt.
type writerFunc func(p []byte, off int64) (int, error)

func (w writerFunc) WriteAt(p []byte, off int64) (int, error) { return w(p, off) }

// within keeps writes that cannot be done from w: those past the device's end,
// and to the bad chunk.
func (d *cowDevice) within(w io.WriterAt) io.WriterAt {
	return writerFunc(func(p []byte, off int64) (int, error) {
		switch c := uint64(off) / uint64(d.geometry.ChunkBytes()); {
		case c >= d.chunks:
			return 0, io.ErrShortWrite
		case d.bad != 0 && c == uint64(d.bad):
			return len(p), nil
		}
		return w.WriteAt(p, off)
	})
}

// content is what write puts into a data chunk.
func (d *cowDevice) content(c cow.Chunk, b []byte) {
	clear(b)
	if c >= d.low {
		return
	}
	for at := 0; at < len(b); at += 512 {
		binary.LittleEndian.PutUint64(b[at:], uint64(c))
		binary.LittleEndian.PutUint64(b[at+8:], d.tag<<32|uint64(at)/512)
	}
}
