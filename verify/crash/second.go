// The second crash: a state is activated, the kernel continues (the model), and
// crashes again. Records that a torn commit left after the terminator come
// alive when the list grows up to them. The visitor says which states are
// continued.

package crash

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// calmFollowUps is how many states of an epoch without stale records are
// continued, and calmSteps how far. No failure is expected there.
const (
	calmFollowUps = 8
	calmSteps     = 2
)

// second continues states.
type second struct {
	v     *visitor
	epoch int // for which calm states are counted
	calm  int
	undo  []undo
}

type undo struct {
	cell cell
	id   blockID
}

func newSecond(v *visitor) *second { return &second{v: v, epoch: -1} }

// from continues the state that the disk is in, and then restores it.
func (c *second) from(o outcome) {
	if c.epoch != c.v.at {
		c.epoch, c.calm = c.v.at, 0
	}
	if o.stale == 0 {
		if c.calm++; c.calm > calmFollowUps {
			return
		}
	}
	c.v.report.SecondCrash.From++
	for i, s := range c.v.stores {
		if s.frozen && s.state == valid {
			c.follow(i, s, false)
			if o.stale > 0 {
				c.follow(i, s, true)
			}
		}
	}
}

// follow activates one store and commits exceptions one by one, until all its
// stale records are overwritten or alive.
func (c *second) follow(index int, s *store, staleFirst bool) {
	m, err := c.activate(s)
	if err != nil {
		c.v.fail(err)
		return
	}
	plan := newFollowUps(s.lastRecords(), s.ledger.HoldsOrigin, cow.Chunk(s.bounds.OriginChunks), staleFirst)
	for step := range plan.steps() {
		old, ok := plan.next()
		if !ok || !c.commit(index, s, m, FollowUp{Stale: staleFirst, Commits: step, Store: index}, old) {
			break
		}
	}
	for i := len(c.undo) - 1; i >= 0; i-- {
		c.v.set(c.undo[i].cell, c.undo[i].id)
	}
	c.undo = c.undo[:0]
}

// lastRecords are the records of the last area in the list, from the terminator
// on.
func (s *store) lastRecords() []cow.Exception {
	perArea := s.geometry().ExceptionsPerArea()
	length := uint64(s.ledger.Len())
	a := s.areaAt(length / perArea)
	if a == nil {
		return nil
	}
	return s.recordsOf(a)[length%perArea:]
}

// recordsOf are all records of an area.
func (s *store) recordsOf(a *area) []cow.Exception {
	all := make([]cow.Exception, 0, s.geometry().ExceptionsPerArea())
	for _, id := range a.blocks {
		all = append(all, s.records[id].list...)
	}
	return all
}

// followUps are the origin chunks to write after the first crash. In one order,
// the chunks that stale records name come first, last one first, so that they
// are named twice when the records come alive. In the other order these are
// left alone, so that only the stale records name them, and the COW chunks that
// they name are allocated again. Then come the lowest free chunks.
type followUps struct {
	first  []cow.Chunk // taken from the end
	avoid  map[cow.Chunk]bool
	beyond int // records up to the last stale one
	named  func(cow.Chunk) bool
	low    cow.Chunk
	end    cow.Chunk
}

// newFollowUps plans for a list that ends before records. named reports which
// origin chunks have an exception.
func newFollowUps(records []cow.Exception, named func(cow.Chunk) bool, originChunks cow.Chunk, staleFirst bool) *followUps {
	f := &followUps{named: named, end: originChunks, avoid: map[cow.Chunk]bool{}}
	for i, e := range records {
		switch {
		case e.Terminates():
			continue
		case staleFirst:
			f.first = append(f.first, e.Old)
		default:
			f.avoid[e.Old] = true
		}
		f.beyond = i + 1
	}
	return f
}

// steps is how many exceptions are worth following.
func (f *followUps) steps() int {
	if f.beyond == 0 {
		return calmSteps
	}
	return f.beyond + 1
}

// next is the next chunk to write; ok is false if none is free.
func (f *followUps) next() (c cow.Chunk, ok bool) {
	for n := len(f.first); n > 0; n = len(f.first) {
		c, f.first = f.first[n-1], f.first[:n-1]
		if c < f.end && !f.named(c) {
			return c, true
		}
	}
	for f.low < f.end && (f.named(f.low) || f.avoid[f.low]) {
		f.low++
	}
	f.low++
	return f.low - 1, f.low <= f.end
}

// activate is a model of the kernel that reads the store as it is now.
func (c *second) activate(s *store) (*allocator.Model, error) {
	area := func(number uint64, buf []byte) error {
		a := s.areaAt(number)
		if a == nil {
			return fmt.Errorf("it does not fit on the device")
		}
		out := buf[:0]
		for _, e := range s.recordsOf(a) {
			out = e.AppendTo(out)
		}
		return nil
	}
	now := s.bounds
	now.DeviceChunks = s.chunksAt(s.end - 1)
	return allocator.Activate(c.v.opt.Expect, now, area, func(op allocator.Op) error {
		if s.areaAt(s.geometry().AreaOf(op.Chunk)) == nil {
			return fmt.Errorf("no area at chunk %d", op.Chunk)
		}
		size := c.v.layout.blockBytes
		for b := range s.perChunk {
			block := zeros[:size]
			if op.Kind != allocator.ZeroArea {
				block = op.Data[b*size:][:size]
			}
			c.set(c.v.cells[s.blockOf(op.Chunk)+b], c.v.interned(block, inArea))
		}
		return nil
	})
}

func (c *second) set(at cell, id blockID) {
	c.undo = append(c.undo, undo{at, c.v.content[at]})
	c.v.set(at, id)
}

// commit overwrites a chunk of the origin (copy, commit, write) and judges what
// a crash after the copy and after the commit leaves. It returns false if the
// store is full.
func (c *second) commit(index int, s *store, m *allocator.Model, done FollowUp, old cow.Chunk) bool {
	copied, ok := m.Start(old)
	if !ok {
		return false
	}
	from, to := s.bringOrigin(old), s.bringData(copied.New)
	if from == nil || to == nil {
		return false
	}
	for i, at := range from.cells {
		c.set(to.cells[i], c.v.content[at])
	}
	done.Copied = true
	c.judge(index, s, done)
	if err := m.Finish(copied); err != nil {
		c.v.fail(err)
		return false
	}
	for _, at := range from.cells {
		c.set(at, overwritten)
	}
	done.Commits, done.Copied = done.Commits+1, false
	c.judge(index, s, done)
	return m.Valid()
}

// judge judges what a crash after a follow-up leaves.
func (c *second) judge(index int, s *store, done FollowUp) {
	r := c.v.report.SecondCrash
	r.States++
	d := s.verdict()
	if d.corrupt {
		r.Corrupt++
	}
	if d.leaked > 0 {
		r.Leaking++
	}
	if d.broken > 0 {
		r.Broken++
	}
	for _, first := range []struct {
		is bool
		of **Failure
	}{{d.corrupt, &r.FirstCorrupt}, {d.broken > 0, &r.FirstBroken}, {d.corrupt || d.broken > 0, &r.FirstFailure}} {
		if first.is && *first.of == nil {
			*first.of = c.describe(index, s, d, done)
		}
	}
}

func (c *second) describe(index int, s *store, d verdict, done FollowUp) *Failure {
	name := c.v.epoch.name()
	name.Again = &done
	return &Failure{
		State: name.String(), Entry: name.Last(), Why: s.explain(d), Store: index,
		LeakedChunks: d.leaked, AllocatedSectors: s.allocated(),
	}
}
