//go:build linux && kernel

// What the kernel does with stores in which the judge finds something: the
// table in docs/verify.md, checked.

package verify_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// storeUnderTest is a store, the judge's verdict, and what the kernel does:
// the result of activating it (a status line or an error), the content of some
// chunks of the snapshot, and the status line and that content after a write
// to the origin.
type storeUnderTest struct {
	code   verify.Code
	store  cowtest.Store
	header *cow.Header // instead of the store's
	bad    cow.Chunk   // fails all I/O
	read   []cow.Chunk // through the snapshot
	write  []cow.Chunk // of the origin
	want   []string
}

func exceptions(pairs ...cow.Chunk) (list []cow.Exception) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, cow.Exception{Old: pairs[i], New: pairs[i+1]})
	}
	return list
}

func storesUnderTest() []storeUnderTest {
	plain := func(list ...cow.Exception) cowtest.Store {
		return cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 400}
	}
	sized := func(s cowtest.Store, chunks uint64) cowtest.Store { s.DeviceChunks = chunks; return s }
	header := func(change func(h *cow.Header)) *cow.Header { h := cow.NewHeader(8); change(&h); return &h }
	full := cowtest.Canonical(8, cowtest.Run(0, 256)...)
	stale := plain(exceptions(20, 2, 21, 3)...)
	stale.Stale = exceptions(30, 9, 31, 10)
	return []storeUnderTest{
		{code: verify.BadMagic, store: plain(), header: header(func(h *cow.Header) { h.Magic = 0x12345678 }),
			want: []string{"refused: ENXIO"}},
		{code: verify.UnsupportedVersion, store: plain(), header: header(func(h *cow.Header) { h.Version = 2 }),
			want: []string{"refused: EINVAL"}},
		{code: verify.BadChunkSize, store: plain(), header: header(func(h *cow.Header) { h.ChunkSize = 12 }),
			want: []string{"refused: EINVAL"}},
		{code: verify.SnapshotInvalid, store: plain(exceptions(20, 2)...), header: header(func(h *cow.Header) { h.Valid = 0 }),
			read: []cow.Chunk{20, 21},
			want: []string{"active: Invalid", "chunk 20: input/output error", "chunk 21: input/output error"}},
		{code: verify.TruncatedArea, store: sized(plain(full...), 258), want: []string{"refused: EIO"}},
		{code: verify.UnreadableArea, store: plain(full...), bad: 258, want: []string{"refused: EIO"}},
		{code: verify.ChunkBeyondDevice, store: plain(exceptions(20, 2, 21, 1000)...),
			read: []cow.Chunk{20, 21}, write: []cow.Chunk{40},
			want: []string{"active: 8008/3200 16", "chunk 20: COW chunk 2", "chunk 21: input/output error", "after a write: Invalid",
				"left behind: invalid map[chunk-beyond-device:1 leaked-chunks:396 snapshot-invalid:1]"}},
		{code: verify.ChunkNumberOverflow, store: plain(exceptions(20, 1<<56|2)...), read: []cow.Chunk{20, 21, 22},
			want: []string{"active: 576460752303423512/3200 16", "chunk 20: COW chunk 2", "chunk 21: COW chunk 3", "chunk 22: the origin's"}},
		{code: verify.ChunkIsMetadata, store: plain(exceptions(20, 2, 21, 1)...),
			read: []cow.Chunk{20, 21}, write: []cow.Chunk{40},
			want: []string{"active: 24/3200 16", "chunk 20: COW chunk 2", "chunk 21: the area itself", "after a write: 32/3200 16",
				"left behind: corrupt map[chunk-is-metadata:1]"}},
		{code: verify.DuplicateCOWChunk, store: plain(exceptions(20, 2, 30, 2)...), read: []cow.Chunk{20, 30},
			want: []string{"active: 24/3200 16", "chunk 20: COW chunk 2", "chunk 30: COW chunk 2"}},
		{code: verify.DuplicateOriginChunk, store: plain(exceptions(20, 2, 20, 3)...), read: []cow.Chunk{20},
			want: []string{"active: 32/3200 16", "chunk 20: COW chunk 2"}},
		{code: verify.DuplicateOriginChunk, store: plain(exceptions(20, 2, 22, 3, 20, 4)...), read: []cow.Chunk{20},
			want: []string{"active: 40/3200 16", "chunk 20: COW chunk 2"}},
		{code: verify.OriginChunkBeyondOrigin, store: plain(exceptions(1<<40, 2)...), read: []cow.Chunk{20}, write: []cow.Chunk{40},
			want: []string{"active: 24/3200 16", "chunk 20: the origin's", "after a write: 32/3200 16", "left behind: clean map[]"}},
		{code: verify.StaleRecord, store: stale, read: []cow.Chunk{20, 30, 31}, write: []cow.Chunk{40},
			want: []string{"active: 32/3200 16", "chunk 20: COW chunk 2", "chunk 30: the origin's", "chunk 31: the origin's", "after a write: 40/3200 16",
				"left behind: leaked map[leaked-chunks:4]"}},
		{code: verify.NoRoomForTerminator, store: sized(plain(full[:255]...), 258), write: []cow.Chunk{255},
			want: []string{"active: 2056/2064 16", "after a write: Invalid", "left behind: invalid map[no-room-for-terminator:1 snapshot-invalid:1]"}},
		{code: verify.LeakedChunks, store: plain(exceptions(20, 2, 21, 5)...), read: []cow.Chunk{20, 21}, write: []cow.Chunk{40},
			want: []string{"active: 48/3200 16", "chunk 20: COW chunk 2", "chunk 21: COW chunk 5", "after a write: 56/3200 16",
				"left behind: leaked map[leaked-chunks:2]"}},
	}
}

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
