package crash

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// fault is a mistake of a machine's kernel.
type fault string

const (
	noFault        fault = ""
	noFlush        fault = "no flush before a commit"
	commitTooEarly fault = "an exception is committed before its copy is written"
	noZeroing      fault = "the next area is not zeroed"
	writeTooEarly  fault = "the origin is written before the exception is committed"
	wrongCopy      fault = "a chunk is copied after it was overwritten"
)

// machine is a disk with an origin and a COW store under dm-log-writes, and a
// kernel (the model) that overwrites the origin.
type machine struct {
	t            testing.TB
	ss           uint64
	g            cow.Geometry
	origin, cow  Region
	disk         map[uint64][]byte // by block
	log          []scripted
	held         []scripted // plain writes that are logged only with the next flush
	fault        fault
	faulty       int // the copy with the fault
	model        *allocator.Model
	random       *rand.Rand
	overwrites   map[cow.Chunk]byte
	originChunks int
}

func newMachine(t testing.TB, ss uint64, chunk cow.Sectors, originChunks, cowChunks int) *machine {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{
		t: t, ss: ss, g: g, disk: map[uint64][]byte{}, random: rand.New(rand.NewPCG(1, 2)),
		origin: Region{0, cow.Sectors(originChunks) * chunk}, overwrites: map[cow.Chunk]byte{}, originChunks: originChunks,
	}
	m.cow = Region{m.origin.Len, cow.Sectors(cowChunks) * chunk}
	for c := range originChunks {
		m.put(m.originBlock(cow.Chunk(c)), m.pattern(cow.Chunk(c), 0))
	}
	return m
}

func (m *machine) perChunk() uint64               { return uint64(m.g.ChunkBytes()) / m.ss }
func (m *machine) originBlock(c cow.Chunk) uint64 { return uint64(c) * m.perChunk() }
func (m *machine) cowBlock(c cow.Chunk) uint64 {
	return uint64(m.cow.Start)*cow.SectorSize/m.ss + uint64(c)*m.perChunk()
}

// pattern is a chunk in which each block contains its number.
func (m *machine) pattern(c cow.Chunk, generation byte) []byte {
	b := make([]byte, m.g.ChunkBytes())
	for i := uint64(0); i < uint64(len(b)); i += m.ss {
		binary.LittleEndian.PutUint64(b[i:], uint64(c)<<16|(i/m.ss)<<1|1)
		b[i+15] = generation
	}
	return b
}

func (m *machine) put(block uint64, data []byte) {
	for i := uint64(0); i < uint64(len(data)); i += m.ss {
		m.disk[block+i/m.ss] = bytes.Clone(data[i : i+m.ss])
	}
}

func (m *machine) get(block, n uint64) []byte {
	var out []byte
	for b := range n {
		data := m.disk[block+b]
		if data == nil {
			data = make([]byte, m.ss)
		}
		out = append(out, data...)
	}
	return out
}

func (m *machine) write(block uint64, data []byte) {
	m.put(block, data)
	m.held = append(m.held, scripted{logwrites.Entry{Sector: block, Sectors: uint64(len(data)) / m.ss}, bytes.Clone(data)})
}

func (m *machine) flush() {
	m.log = append(m.log, m.held...)
	m.held = nil
	m.log = append(m.log, scripted{logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}, nil})
}

func (m *machine) fua(block uint64, data []byte) {
	m.put(block, data)
	m.log = append(m.log, scripted{logwrites.Entry{Sector: block, Sectors: uint64(len(data)) / m.ss, Flags: logwrites.FUA}, bytes.Clone(data)})
}

func (m *machine) mark(text string) {
	m.log = append(m.log, scripted{logwrites.Entry{Flags: logwrites.Mark, Text: text}, nil})
}

func (m *machine) end() {
	m.log = append(m.log, m.held...)
	m.held = nil
	m.mark(logwrites.EndMark)
}

// image is the disk as it is now, as the base of a log.
func (m *machine) image() []byte {
	end := uint64(m.cow.Start+m.cow.Len) * cow.SectorSize / m.ss
	return m.get(0, end)
}

func (m *machine) bounds() cow.Bounds {
	return cow.Bounds{Geometry: m.g, DeviceChunks: m.g.ChunksIn(int64(m.cow.Len) * 512), OriginChunks: uint64(m.originChunks)}
}

// store returns what the model's kernel has written.
func (m *machine) store(op allocator.Op) error {
	switch op.Kind {
	case allocator.WriteHeader:
		m.write(m.cowBlock(0), op.Data)
	case allocator.ZeroArea:
		if m.fault == noZeroing && op.Chunk > 1 {
			return nil
		}
		m.write(m.cowBlock(op.Chunk), make([]byte, m.g.ChunkBytes()))
	case allocator.CommitArea, allocator.CommitHeader:
		if m.fault != noFlush || m.faulty > 0 {
			m.flush()
		}
		m.fua(m.cowBlock(op.Chunk), op.Data)
	}
	return nil
}

// create makes the snapshot.
func (m *machine) create(k allocator.Kernel) {
	model, err := allocator.NewModel(k, m.bounds(), m.store)
	if err != nil {
		m.t.Fatal(err)
	}
	m.attach(model)
}

func (m *machine) attach(model *allocator.Model) {
	m.model = model
	model.Committed = func(done []allocator.Copy) {
		for _, c := range done {
			m.overwrites[c.Old]++
			m.write(m.originBlock(c.Old), m.pattern(c.Old, m.overwrites[c.Old]))
		}
	}
}

// copyOut does the first part of a write to an origin chunk that has no
// exception yet, until the copy is submitted.
func (m *machine) copyOut(old cow.Chunk) allocator.Copy {
	c, ok := m.model.Start(old)
	if !ok {
		m.t.Fatal("the store is full")
	}
	return c
}

// finish ends a copy.
func (m *machine) finish(c allocator.Copy) {
	m.faulty--
	strikes := m.faulty == 0
	data := m.get(m.originBlock(c.Old), m.perChunk())
	if strikes && (m.fault == writeTooEarly || m.fault == wrongCopy) {
		m.write(m.originBlock(c.Old), m.pattern(c.Old, 77))
	}
	if strikes && m.fault == wrongCopy {
		data = m.pattern(c.Old, 77)
	}
	if !strikes || m.fault != commitTooEarly {
		m.write(m.cowBlock(c.New), data)
	}
	if err := m.model.Finish(c); err != nil {
		m.t.Fatal(err)
	}
	if strikes && m.fault == commitTooEarly {
		m.write(m.cowBlock(c.New), data)
	}
}

// overwrite writes to origin chunks one after the other, and waits for each
// write.
func (m *machine) overwrite(chunks ...cow.Chunk) {
	for _, c := range chunks {
		m.finish(m.copyOut(c))
	}
}

// overwriteAtOnce writes to origin chunks at once. The copies finish in random
// order, those of the first few chunks last.
func (m *machine) overwriteAtOnce(slow int, chunks ...cow.Chunk) {
	var flying []allocator.Copy
	for _, c := range chunks {
		flying = append(flying, m.copyOut(c))
	}
	m.random.Shuffle(len(flying)-slow, func(i, j int) {
		flying[slow+i], flying[slow+j] = flying[slow+j], flying[slow+i]
	})
	for _, c := range append(slices.Clone(flying[slow:]), flying[:slow]...) {
		m.finish(c)
	}
}

// mergeLast merges the last exception, with this index, like a kernel that
// merges. The model does not know about what it clears.
func (m *machine) mergeLast(old, new cow.Chunk, index int) {
	m.write(m.originBlock(old), m.get(m.cowBlock(new), m.perChunk()))
	area := m.get(m.cowBlock(1), m.perChunk())
	clear(area[index*16 : (index+1)*16])
	m.flush()
	m.fua(m.cowBlock(1), area)
	m.flush()
}

func chunks(first, n int) []cow.Chunk {
	out := make([]cow.Chunk, n)
	for i := range out {
		out[i] = cow.Chunk(first + i)
	}
	return out
}

func (m *machine) options(base []byte) Options {
	return Options{Origin: m.origin, COW: []Region{m.cow}, Base: bytes.NewReader(base), BaseSize: int64(len(base))}
}

// scenario is the 300 writes of the scenario with slow copies: 200 one after
// the other, then six slow ones and 94 at once.
func scenario(t testing.TB, k allocator.Kernel, ss uint64, f fault, faulty int) (log []byte, opt Options) {
	m := newMachine(t, ss, 8, 1024, 4096)
	base := m.image()
	m.fault, m.faulty = f, faulty
	m.create(k)
	m.overwrite(chunks(0, 200)...)
	m.overwriteAtOnce(6, chunks(200, 100)...)
	m.end()
	return logBytes(t, ss, m.log), m.options(base)
}

func explore(t testing.TB, log []byte, opt Options) *Report {
	t.Helper()
	r, err := Explore(context.Background(), openBytes(t, log), opt)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
