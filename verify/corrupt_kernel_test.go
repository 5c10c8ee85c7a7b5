//go:build linux && kernel

// What the kernel does with stores in which the judge finds something: the
// table in docs/verify.md, checked. The stores are in damage_test.go.

package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

func TestWhatTheKernelDoes(t *testing.T) {
	l := newLab(t)
	for i, s := range storesUnderTest() {
		t.Run(fmt.Sprintf("%02d %s", i, s.code), func(t *testing.T) {
			got, err := l.observe(s)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.want, got); diff != "" {
				t.Errorf("the kernel (-want +got):\n%s", diff)
			}
		})
	}
}

// observe describes in lines what the kernel does.
func (l *lab) observe(s storeUnderTest) (lines []string, err error) {
	if s.block != 0 {
		var loop string
		if loop, err = loopOf(l.cow, s.block); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, detach(loop)) }()
		l.increment++ // of the copy
		on := *l
		on.cow, l = loop, &on
	}
	g, _ := cow.NewGeometry(8)
	d, err := l.device(g, s.store.DeviceChunks, s.bad)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove(cowName)) }()
	if err := d.write(s.store); err != nil {
		return nil, err
	}
	if err := d.fill(2, 12); err != nil {
		return nil, err
	}
	if s.header != nil {
		if err := overwrite(d.path, s.header.AppendTo(nil)); err != nil {
			return nil, err
		}
	}
	r, err := judge(d.path)
	if err != nil {
		return nil, err
	}
	if s.code != verify.OriginChunkBeyondOrigin && r.Counts[s.code] == 0 {
		return nil, fmt.Errorf("the judge finds %v, no %s", r.Counts, s.code)
	}
	lines, err = l.activity(d, s)
	if s.write == nil || err != nil {
		return lines, err
	}
	// Again, from what the kernel left on disk.
	r, err = judge(d.path)
	if err != nil {
		return nil, err
	}
	return append(lines, fmt.Sprintf("left behind: %s %v", r.Verdict, r.Counts)), nil
}

// loopOf makes a loop device over a disk, with larger logical blocks.
func loopOf(disk string, block int) (loop string, err error) {
	out, err := exec.Command("/usr/sbin/losetup", "--sector-size", fmt.Sprint(block), "-f", "--show", disk).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("losetup %s: %w: %s", disk, err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

func detach(loop string) error {
	if out, err := exec.Command("/usr/sbin/losetup", "-d", loop).CombinedOutput(); err != nil {
		return fmt.Errorf("losetup -d %s: %w: %s", loop, err, out)
	}
	return nil
}

// fill puts content into chunks that no exception may name.
func (d *cowDevice) fill(first, end cow.Chunk) error {
	f, err := os.OpenFile(d.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	b := make([]byte, d.geometry.ChunkBytes())
	for c := first; c < end && err == nil; c++ {
		d.content(c, b)
		_, err = f.WriteAt(b, int64(c)*int64(len(b)))
	}
	return errors.Join(err, f.Sync(), f.Close())
}

func overwrite(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, 0)
	return errors.Join(err, f.Sync(), f.Close())
}

func (l *lab) activity(d *cowDevice, s storeUnderTest) (lines []string, err error) {
	node, line, err := l.activate(d, originBytes)
	if err != nil {
		var errno unix.Errno
		if errors.As(err, &errno) {
			return []string{"refused: " + unix.ErrnoName(errno)}, nil
		}
		return nil, err
	}
	defer func() { err = errors.Join(err, remove(snapName)) }()
	lines = []string{"active: " + line}
	for _, c := range s.read {
		lines = append(lines, fmt.Sprintf("chunk %d: %s", c, whatIs(node, d, c)))
	}
	if s.write == nil {
		return lines, nil
	}
	writable, err := create(writableName, originTable(l.origin))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, remove(writableName)) }()
	f, err := blockdev.OpenWriter(writable)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	for _, c := range s.write {
		b := make([]byte, d.geometry.ChunkBytes())
		originContent(uint64(c)*4096, b) // what is already there
		if _, err := f.WriteAt(b, int64(c)*4096); err != nil {
			return nil, err
		}
	}
	if err := f.Flush(); err != nil {
		return nil, err
	}
	line, err = status(snapName)
	return append(lines, "after a write: "+line), err
}

// whatIs says what a chunk of the snapshot contains.
func whatIs(node string, d *cowDevice, c cow.Chunk) string {
	f, err := os.Open(node)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	got, want := make([]byte, d.geometry.ChunkBytes()), make([]byte, d.geometry.ChunkBytes())
	if _, err := f.ReadAt(got, int64(c)*4096); err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return err.Error()
	}
	if originContent(uint64(c)*4096, want); bytes.Equal(got, want) {
		return "the origin's"
	}
	for new := cow.Chunk(2); new < d.low; new++ {
		if d.content(new, want); bytes.Equal(got, want) {
			return fmt.Sprintf("COW chunk %d", new)
		}
	}
	if e := cow.DecodeException(got); e.Old == 20 {
		return "the area itself"
	}
	return "something else"
}
