// Durability: whether a state still holds, through the stack, what the layer
// above was promised.

package crash

import (
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// durability compares one state of the disk with the log above. A state is past
// a mark if a crash after the mark can leave it: it contains everything written
// with FUA before the mark, and everything covered by a flush.
type durability struct {
	*upper
	x *explorer

	next    int                 // the first mark not in a durable epoch
	unmet   map[uint64]struct{} // blocks that the durable state does not show as the marks before demand
	touched map[cell]struct{}   // of the origin, in this epoch
	known   map[demand][]blockID

	// For the current epoch: the marks that its states can be past,
	// and what the durable state does not show as each one demands.
	levels []level
	bound  []int // choices that are FUA, before the last of these marks
}

// demand is what a mark demands of a block.
type demand struct {
	mark  int
	block uint64
}

type level struct {
	mark  int // -1 for none
	unmet map[uint64]struct{}
}

func newDurability(u *upper, x *explorer) *durability {
	return &durability{upper: u, x: x, unmet: map[uint64]struct{}{}, touched: map[cell]struct{}{}, known: map[demand][]blockID{}}
}

// touch records a changed block of the origin.
func (d *durability) touch(c cell) {
	if d.view == OriginView {
		d.touched[c] = struct{}{}
	}
}

// begins reports whether the device below the upper layer exists yet.
func (d *durability) begins() bool { return d.view == OriginView || d.x.stores[0].frozen }

// shown is the content of a block of the device below the upper layer.
func (d *durability) shown(block uint64) blockID {
	if d.view == OriginView {
		at := d.x.layout.origin.first + block
		if c, ok := d.x.cells[at]; ok {
			return d.x.content[c]
		}
		buf := d.x.buffer(1)
		if err := d.x.read(at, d.x.at, buf); err != nil {
			d.x.fail(err)
		}
		return idOf(buf)
	}
	s := d.x.stores[0]
	o := s.bringOrigin(cow.Chunk(block / s.perChunk))
	if o == nil {
		return 0
	}
	return s.content[o.holder()[block%s.perChunk]]
}

// meets reports whether a block shows what a mark demands.
func (d *durability) meets(mark int, block uint64) bool {
	key := demand{mark, block}
	ids, ok := d.known[key]
	if !ok {
		var all bool
		var err error
		if ids, all, err = d.admissible(block, &d.marks[mark]); err != nil {
			d.x.fail(err)
		}
		if all {
			ids = nil
		}
		d.known[key] = ids
	}
	return ids == nil || slices.Contains(ids, d.shown(block))
}

// eachTouched visits the blocks that may have changed in this epoch, until
// visit returns true.
func (d *durability) eachTouched(visit func(block uint64) (enough bool)) {
	if d.view == OriginView {
		for c := range d.touched {
			if visit(d.x.blocks[c] - d.x.layout.origin.first) {
				return
			}
		}
		return
	}
	s := d.x.stores[0]
	for _, o := range s.changed {
		for i := range o.cells {
			if visit(uint64(o.number)*s.perChunk + uint64(i)) {
				return
			}
		}
	}
}

// raise returns the unmet blocks of a mark, given those of the previous mark.
func (d *durability) raise(unmet map[uint64]struct{}, mark int) map[uint64]struct{} {
	raised := map[uint64]struct{}{}
	look := func(block uint64) {
		if !d.meets(mark, block) {
			raised[block] = struct{}{}
		}
	}
	for block := range unmet {
		look(block)
	}
	var before *commonMark
	if mark > 0 {
		before = &d.marks[mark-1]
	}
	d.demanded(before, &d.marks[mark], look)
	return raised
}

// open prepares for the states of an epoch.
func (d *durability) open(r *epoch) {
	d.levels, d.bound = d.levels[:0], d.bound[:0]
	if !d.begins() {
		return
	}
	d.levels = append(d.levels, level{d.next - 1, d.unmet})
	last := -1
	for m := d.next; m < len(d.marks) && d.marks[m].lower < r.to; m++ {
		d.levels = append(d.levels, level{m, d.raise(d.levels[len(d.levels)-1].unmet, m)})
		last = d.marks[m].lower
	}
	for n := range r.choices {
		if c := &r.choices[n]; c.entry < last && d.x.log.Entry(c.entry).Flags&logwrites.FUA != 0 {
			d.bound = append(d.bound, n)
		}
	}
}

// levelOf is the last mark that the state of an epoch can be past.
func (d *durability) levelOf(r *epoch) *level {
	reached := never
	for _, n := range d.bound {
		if c := &r.choices[n]; slices.Contains(r.on[c.pieces.from:c.pieces.to], false) {
			reached = c.entry
			break
		}
	}
	n := len(d.levels) - 1
	for n > 0 && d.marks[d.levels[n].mark].lower > reached {
		n--
	}
	return &d.levels[n]
}

// lost finds a block that the state of an epoch does not show as it must.
func (d *durability) lost(r *epoch) (block uint64, mark int, lost bool) {
	if len(d.levels) == 0 || d.view == SnapshotView && d.x.stores[0].state != valid {
		return 0, 0, false
	}
	l := d.levelOf(r)
	if l.mark < 0 {
		return 0, 0, false
	}
	d.eachTouched(func(at uint64) bool {
		if !d.meets(l.mark, at) && (!lost || at < block) {
			block, lost = at, true
		}
		return false
	})
	for at := range l.unmet {
		if !d.meets(l.mark, at) && (!lost || at < block) {
			block, lost = at, true
		}
	}
	return block, l.mark, lost
}

// pass takes in an epoch that is now durable, before it is settled.
func (d *durability) pass(end int) {
	if d.begins() {
		for d.next < len(d.marks) && d.marks[d.next].lower < end {
			d.unmet = d.raise(d.unmet, d.next)
			d.next++
		}
		if mark := d.next - 1; mark >= 0 {
			d.eachTouched(func(block uint64) bool {
				if delete(d.unmet, block); !d.meets(mark, block) {
					d.unmet[block] = struct{}{}
				}
				return false
			})
		}
	}
	clear(d.touched)
	clear(d.known)
}

// explain says what a state has lost.
func (d *durability) explain(block uint64, mark int) string {
	m := &d.marks[mark]
	return fmt.Sprintf("block %d of the layer above shows neither what entry %d of its log wrote, durable at the mark %q, nor anything later", block, d.durable(block, m), m.text)
}
