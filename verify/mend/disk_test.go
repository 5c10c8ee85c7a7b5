package mend

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// disk is a device in memory that records what is done to it, in a log that
// several disks share: the crash states of one run.
type disk struct {
	b   []byte
	id  int
	log *[]op
}

// op is a write, or growth to a size, or a flush if it has neither.
type op struct {
	disk int
	at   int64
	data []byte
	grow int64
}

// on is the content of a disk after the op. What lies beyond the end of a file
// that has not grown is lost.
func (o op) on(b []byte) []byte {
	if o.grow > 0 {
		return append(b, make([]byte, max(0, o.grow-int64(len(b))))...)
	}
	if o.at < int64(len(b)) {
		copy(b[o.at:], o.data)
	}
	return b
}

func (d *disk) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(d.b).ReadAt(p, off) }
func (d *disk) Size() int64                             { return int64(len(d.b)) }

func (d *disk) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > d.Size() {
		return 0, io.ErrShortWrite
	}
	if d.log != nil {
		*d.log = append(*d.log, op{disk: d.id, at: off, data: bytes.Clone(p)})
	}
	return copy(d.b[off:], p), nil
}

func (d *disk) Flush() error {
	if d.log != nil {
		*d.log = append(*d.log, op{disk: d.id})
	}
	return nil
}

func (d *disk) Grow(n int64) error {
	if d.log != nil {
		*d.log = append(*d.log, op{disk: d.id, grow: n})
	}
	d.b = append(d.b, make([]byte, max(0, n-d.Size()))...)
	return nil
}

// sectorBytes is the unit that a torn write does not tear.
const sectorBytes = 512

// crashes calls see with each content that the disks can have after a crash at
// any moment of a run that began with base: everything that was flushed, and
// any of the logical blocks written since, of which a later write to the same
// block counts. A file that has grown since has the old size or the new one. If there are few subsets it visits all; otherwise none, all,
// each alone, each missing, all prefixes, and some at random.
func crashes(base [][]byte, log []op, see func(state [][]byte)) {
	durable := make([][]byte, len(base))
	for i, b := range base {
		durable[i] = bytes.Clone(b)
	}
	var pending []op // one logical block each, or growth
	settle := func(id int) {
		rest := pending[:0]
		for _, o := range pending {
			if o.disk == id {
				durable[id] = o.on(durable[id])
			} else {
				rest = append(rest, o)
			}
		}
		pending = rest
	}
	for _, o := range append(log, op{disk: -1}) {
		if o.data == nil && o.grow == 0 {
			subsets(len(pending), func(has func(int) bool) {
				state := make([][]byte, len(durable))
				for i, b := range durable {
					state[i] = bytes.Clone(b)
				}
				for i, p := range pending {
					if has(i) {
						state[p.disk] = p.on(state[p.disk])
					}
				}
				see(state)
			})
			settle(o.disk)
			continue
		}
		if o.grow > 0 {
			pending = append(pending, o)
			continue
		}
		for at := o.at; at < o.at+int64(len(o.data)); {
			end := min(at/sectorBytes*sectorBytes+sectorBytes, o.at+int64(len(o.data)))
			pending = append(pending, op{disk: o.disk, at: at, data: o.data[at-o.at : end-o.at]})
			at = end
		}
	}
}

func subsets(n int, see func(has func(int) bool)) {
	if n <= 9 {
		for set := range 1 << n {
			see(func(i int) bool { return set>>i&1 == 1 })
		}
		return
	}
	for k := range n + 1 {
		see(func(i int) bool { return i < k })
		see(func(i int) bool { return i >= k })
		see(func(i int) bool { return i == k })
		see(func(i int) bool { return i != k })
	}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for range 40 {
		keep := make([]bool, n)
		for i := range keep {
			keep[i] = r.IntN(2) == 0
		}
		see(func(i int) bool { return keep[i] })
	}
}

// scene is a store and its origin, and what the snapshot shows.
type scene struct {
	store, origin, shows []byte
	spec                 cowtest.Store
}

// kind describes a scene's store.
type kind struct {
	chunk   cow.Sectors
	origin  int // bytes
	changed int // chunks
	leaked  int
	mixed   bool
	stale   int // records after the list
	spare   int // chunks free at the end
	seed    uint64
}

func newScene(k kind) scene {
	g, err := cow.NewGeometry(k.chunk)
	if err != nil {
		panic(err)
	}
	r := rand.New(rand.NewPCG(k.seed, 2))
	fill := func(b []byte) {
		for i := range b {
			b[i] = byte(r.Uint32()) | 1
		}
	}
	chunk := int(g.ChunkBytes())
	s := scene{origin: make([]byte, k.origin)}
	fill(s.origin)
	s.shows = bytes.Clone(s.origin)
	olds := r.Perm(int(g.ChunksCovering(int64(k.origin))))[:k.changed]
	slots := make([]int, k.changed+k.leaked)
	for i := range slots {
		slots[i] = i
	}
	if k.leaked > 0 { // the last one is in use; otherwise the leak would be free space
		last := slots[len(slots)-1]
		picked := append(r.Perm(len(slots) - 1)[:k.changed-1], last)
		slices.Sort(picked)
		slots = picked
	}
	if k.mixed {
		r.Shuffle(len(slots), func(i, j int) { slots[i], slots[j] = slots[j], slots[i] })
	}
	for i, old := range olds {
		s.spec.Exceptions = append(s.spec.Exceptions, cow.Exception{Old: cow.Chunk(old), New: g.DataChunk(uint64(slots[i]))})
	}
	for i := range k.stale {
		s.spec.Stale = append(s.spec.Stale, cow.Exception{Old: cow.Chunk(i + 1), New: g.DataChunk(uint64(k.changed + i))})
	}
	s.spec.Chunk, s.spec.DeviceChunks = k.chunk, g.ChunksFor(uint64(k.changed+k.leaked))+uint64(k.spare)
	s.store = s.spec.Bytes()
	for _, e := range s.spec.Exceptions {
		data := s.store[int(e.New)*chunk:][:chunk]
		fill(data)
		copy(s.shows[int(e.Old)*chunk:], data)
	}
	return s
}

// view is what store and origin show together, or nil if they show nothing.
func view(store, origin []byte) []byte {
	im, _, err := image.Open(context.Background(), image.Source{
		Store: bytes.NewReader(store), StoreSize: int64(len(store)), Origin: bytes.NewReader(origin), OriginSize: int64(len(origin)),
	}, image.Options{})
	if err != nil {
		return nil
	}
	defer im.Close()
	b := make([]byte, im.Size())
	if _, err := im.ReadAt(b, 0); err != nil {
		return nil
	}
	return b
}

func verdict(store []byte) verify.Verdict {
	r, err := verify.Verify(context.Background(), bytes.NewReader(store), int64(len(store)), verify.Options{})
	if err != nil {
		return verify.Verdict(err.Error())
	}
	return r.Verdict
}

func mustRun(t testing.TB, p *Plan, err error) {
	t.Helper()
	if err == nil {
		err = p.Run(context.Background(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
}

var _ blockdev.Device = (*disk)(nil)
