package crash

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// replayThroughModel passes the copies of a log through the model, in the
// order in which they were logged, which is the order in which they finished.
// It compares each commit with the kernel's, byte for byte, and returns the
// number of commits. The origin's chunks must differ from each other, so that
// a copy shows which chunk it is of.
func replayThroughModel(l *logwrites.Log, opt Options) (int, error) {
	opt.FromMark = ""
	shared, err := survey(context.Background(), l, &opt)
	if err != nil {
		return 0, err
	}
	x, err := newExplorer(shared.history, shared.opt, shared.facts)
	if err != nil {
		return 0, err
	}
	s := x.stores[0]
	r := &replayer{x: x, s: s, old: map[cow.Chunk]cow.Chunk{}}
	if err := r.readCopies(); err != nil {
		return 0, err
	}
	m, err := allocator.NewModel(opt.Expect, s.bounds, r.write)
	if err != nil {
		return 0, err
	}
	r.model = m
	compared := 0
	for _, e := range x.epochs {
		if err := x.enter(e); err != nil {
			return compared, err
		}
		for i := e.from; i < e.to; i++ {
			if x.kinds[i] == commits {
				if err := r.commit(i); err != nil {
					return compared, fmt.Errorf("entry %d: %w", i, err)
				}
				compared++
			}
			x.apply(i)
		}
		x.leave()
	}
	return compared, nil
}

type replayer struct {
	x        *explorer
	s        *store
	model    *allocator.Model
	old      map[cow.Chunk]cow.Chunk      // by COW chunk: the origin chunk copied there
	finished []cow.Chunk                  // COW chunks in the order of their copies
	copies   map[cow.Chunk]allocator.Copy // started in the model
	written  []byte                       // the model's last commit
	at       cow.Chunk
}

// readCopies finds out which chunk was copied where, and in which order.
func (r *replayer) readCopies() error {
	first := func(read func(block []byte) error) (blockID, error) {
		block := make([]byte, r.x.layout.blockBytes)
		err := read(block)
		return idOf(block), err
	}
	byContent := map[blockID]cow.Chunk{}
	for c := range cow.Chunk(r.s.bounds.OriginChunks) {
		id, err := first(func(block []byte) error { return r.x.read(r.x.layout.origin.first+uint64(c)*r.s.perChunk, 0, block) })
		if err != nil {
			return err
		}
		byContent[id] = c
	}
	for i, e := range r.x.log.Entries() {
		if r.x.kinds[i] != copies {
			continue
		}
		id, err := first(func(block []byte) error { return r.x.readFrom(e.Sector, i, block) })
		if err != nil {
			return err
		}
		n := r.s.chunkAt(e.Sector)
		old, ok := byContent[id]
		if _, twice := r.old[n]; !ok || twice {
			return fmt.Errorf("entry %d is no copy of an origin chunk", i)
		}
		r.old[n] = old
		r.finished = append(r.finished, n)
	}
	r.copies = map[cow.Chunk]allocator.Copy{}
	return nil
}

func (r *replayer) write(op allocator.Op) error {
	if op.Kind == allocator.CommitArea {
		r.written, r.at = bytes.Clone(op.Data), op.Chunk
	}
	return nil
}

// commit runs the model until its next commit, and compares that with entry i.
func (r *replayer) commit(i int) error {
	var batch []cow.Chunk // COW chunks whose exceptions are new in this commit
	for _, w := range r.x.step(i).writes {
		now, was := r.x.records[w.id].list, r.x.records[r.x.content[w.cell]].list
		for slot, e := range now {
			if e != was[slot] {
				batch = append(batch, e.New)
			}
		}
	}
	inBatch := map[cow.Chunk]bool{}
	for n, c := range batch {
		if r.x.opt.Expect == allocator.Leaky {
			c = r.finished[n]
		}
		inBatch[c] = true
	}
	highest := cow.Chunk(0)
	for c := range inBatch {
		highest = max(highest, c)
	}
	for r.model.NextFree() <= highest {
		c, ok := r.model.Start(r.old[r.model.NextFree()])
		if !ok {
			return fmt.Errorf("the model has no room for chunk %d", r.model.NextFree())
		}
		r.copies[c.New] = c
	}
	r.written = nil
	var rest []cow.Chunk
	for _, c := range r.finished {
		if !inBatch[c] {
			rest = append(rest, c)
			continue
		}
		if r.written != nil {
			return fmt.Errorf("the model committed before chunk %d was copied", c)
		}
		if err := r.model.Finish(r.copies[c]); err != nil {
			return err
		}
	}
	r.finished = rest
	return r.compare(i)
}

func (r *replayer) compare(i int) error {
	e := r.x.log.Entry(i)
	data := make([]byte, e.Sectors*r.x.log.SectorSize)
	if err := r.x.log.ReadData(e, 0, data); err != nil {
		return err
	}
	if at := r.s.blockOf(r.at); at != e.Sector {
		return fmt.Errorf("the model wrote block %d, the kernel %d", at, e.Sector)
	}
	if !bytes.Equal(data, r.written) {
		return fmt.Errorf("the model's area differs from the kernel's")
	}
	return nil
}

func TestModelReplaysItself(t *testing.T) {
	for _, k := range []allocator.Kernel{allocator.Fixed, allocator.Leaky} {
		log, opt := scenario(t, k, 512, noFault, 0)
		opt.Expect = k
		n, err := replayThroughModel(openBytes(t, log), opt)
		if err != nil || n != 202 {
			t.Errorf("%s: %d commits, %v", k, n, err)
		}
	}
}
