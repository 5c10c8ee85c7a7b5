package check

import (
	"bytes"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

const (
	sector     = 512
	chunk      = cow.Sectors(8)
	chunkBytes = 4096
	cowChunks  = 64
)

// kernel is the model's kernel with a disk under dm-log-writes: an origin,
// followed by a store.
type kernel struct {
	t         testing.TB
	base      []byte
	disk      []byte
	origin    int // bytes
	log, held []entry
	model     *allocator.Model
	tooEarly  bool // origin writes do not wait for the commit
}

type entry struct {
	logwrites.Entry
	data []byte
}

// newKernel freezes an origin of whole chunks.
func newKernel(t testing.TB, origin []byte) *kernel {
	t.Helper()
	k := &kernel{t: t, origin: len(origin), base: append(bytes.Clone(origin), make([]byte, cowChunks*chunkBytes)...)}
	k.disk = bytes.Clone(k.base)
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		t.Fatal(err)
	}
	bounds := cow.Bounds{Geometry: g, DeviceChunks: cowChunks, OriginChunks: uint64(len(origin) / chunkBytes)}
	if k.model, err = allocator.NewModel(allocator.Fixed, bounds, k.store); err != nil {
		t.Fatal(err)
	}
	return k
}

func (k *kernel) cow(c cow.Chunk) int { return k.origin + int(c)*chunkBytes }

func (k *kernel) write(off int, data []byte) {
	copy(k.disk[off:], data)
	k.held = append(k.held, entry{logwrites.Entry{Sector: uint64(off / sector), Sectors: uint64(len(data) / sector)}, bytes.Clone(data)})
}

func (k *kernel) flush() {
	k.log = append(append(k.log, k.held...), entry{logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}, nil})
	k.held = nil
}

func (k *kernel) store(op allocator.Op) error {
	switch op.Kind {
	case allocator.WriteHeader:
		k.write(k.cow(0), op.Data)
	case allocator.ZeroArea:
		k.write(k.cow(op.Chunk), make([]byte, chunkBytes))
	case allocator.CommitArea:
		k.flush()
		copy(k.disk[k.cow(op.Chunk):], op.Data)
		k.log = append(k.log, entry{logwrites.Entry{Sector: uint64(k.cow(op.Chunk) / sector), Sectors: uint64(len(op.Data) / sector), Flags: logwrites.FUA}, bytes.Clone(op.Data)})
	}
	return nil
}

// overwrite fills a chunk of the origin with a byte, after it was copied.
func (k *kernel) overwrite(c cow.Chunk, with byte) {
	k.t.Helper()
	at := int(c) * chunkBytes
	data := bytes.Repeat([]byte{with}, chunkBytes)
	old := bytes.Clone(k.disk[at : at+chunkBytes])
	if k.tooEarly {
		k.write(at, data)
	}
	copied, ok := k.model.Start(c)
	if !ok {
		k.t.Fatal("the store is full")
	}
	k.write(k.cow(copied.New), old)
	if err := k.model.Finish(copied); err != nil {
		k.t.Fatal(err)
	}
	if !k.tooEarly {
		k.write(at, data)
	}
}

// done returns the log and what to explore in it.
func (k *kernel) done() (*logwrites.Log, crash.Options) {
	k.t.Helper()
	k.log = append(append(k.log, k.held...), entry{logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil})
	var b bytes.Buffer
	w := logwrites.NewWriter(&b, sector, uint64(len(k.log)))
	for _, e := range k.log {
		if err := w.Write(e.Entry, e.data); err != nil {
			k.t.Fatal(err)
		}
	}
	l, err := logwrites.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		k.t.Fatal(err)
	}
	return l, crash.Options{
		Origin: crash.Region{Start: 0, Len: cow.Sectors(k.origin / sector)},
		COW:    []crash.Region{{Start: cow.Sectors(k.origin / sector), Len: cowChunks * chunk}},
		Base:   bytes.NewReader(k.base), BaseSize: int64(len(k.base)),
	}
}

// letters is an origin with this many chunks, each filled with a letter.
func letters(n int) []byte {
	var b []byte
	for i := range n {
		b = append(b, bytes.Repeat([]byte{byte('a' + i)}, chunkBytes)...)
	}
	return b
}
