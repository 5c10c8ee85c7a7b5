// The layer above: the log of a device on top of the snapshot or its origin,
// recorded together with the one below, and what it demands of the lower one.

package crash

import (
	"errors"
	"fmt"
	"sort"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// ErrUpper is wrapped by errors for the log of the layer above.
var ErrUpper = errors.New("the log of the layer above is not usable")

// upper is the log of the layer above. It does not change.
type upper struct {
	*history
	view    View
	flushes []int // entries, ascending
	marks   []commonMark
}

// commonMark is a mark in both logs. It was put into the upper log first, so
// what was flushed above before the mark was also flushed below before it.
type commonMark struct {
	text  string
	lower int // the entry below
	upper int // the entry above
	flush int // the last flush before it, 0 if there is none
}

// newUpper indexes the log above. The log must have been taken down, or it may
// lack writes that are not lost.
func newUpper(l *logwrites.Log, view View, below *history, interrupted func() error) (*upper, error) {
	switch {
	case view != SnapshotView && view != OriginView:
		return nil, fmt.Errorf("%w: %q is not a view", ErrUpper, view)
	case l.SectorSize != below.layout.blockBytes:
		return nil, fmt.Errorf("%w: it counts sectors of %d bytes, the log below of %d", ErrUpper, l.SectorSize, below.layout.blockBytes)
	case !l.Complete():
		return nil, fmt.Errorf("%w: it does not end with the mark %s, so that the last writes may be missing", ErrUpper, logwrites.EndMark)
	}
	origin := below.layout.origin
	h, err := newHistory(l, base{}, &layout{blockBytes: l.SectorSize, origin: span{0, origin.end - origin.first}}, interrupted)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUpper, err)
	}
	u := &upper{history: h, view: view}
	for i, e := range l.Entries() {
		if e.Flags&logwrites.Flush != 0 {
			u.flushes = append(u.flushes, i)
		}
	}
	u.findMarks(below.log)
	return u, nil
}

// findMarks pairs the marks of the two logs by text, the n-th with the n-th of
// the same text.
func (u *upper) findMarks(below *logwrites.Log) {
	above := map[string][]int{}
	for i, e := range u.log.Entries() {
		if e.Flags&logwrites.Mark != 0 {
			above[e.Text] = append(above[e.Text], i)
		}
	}
	last := -1
	for i, e := range below.Entries() {
		if e.Flags&logwrites.Mark == 0 || len(above[e.Text]) == 0 {
			continue
		}
		at := above[e.Text][0]
		above[e.Text] = above[e.Text][1:]
		if at > last { // else the marks were not set by one program in sequence
			last = at
			u.marks = append(u.marks, commonMark{e.Text, i, at, u.flushBefore(at)})
		}
	}
}

// flushBefore is the last flush before an entry, 0 if there is none.
func (u *upper) flushBefore(entry int) int {
	n := sort.SearchInts(u.flushes, entry)
	if n == 0 {
		return 0
	}
	return u.flushes[n-1]
}

// durable is the last entry that wrote a block and was durable at a mark, or
// -1.
func (u *upper) durable(block uint64, m *commonMark) int {
	last := u.lastWriter(block, m.flush)
	for i := range u.writersOf(block, interval{m.flush, m.upper}) {
		if u.log.Entry(i).Flags&logwrites.FUA != 0 {
			last = i
		}
	}
	return last
}

// admissible is what a block may hold from a mark on: its last durable version
// or a later one. all is true if it may hold anything: nothing durable was
// written, or a discard was. An error is a read error of the log.
func (u *upper) admissible(block uint64, m *commonMark) (ids []blockID, all bool, err error) {
	durable := u.durable(block, m)
	if durable < 0 || u.log.Entry(durable).Flags&logwrites.Discard != 0 {
		return nil, true, nil
	}
	// FUA writes are logged when they are done, others at the next flush, so a write
	// of an earlier epoch may have been made later than the log says.
	from := u.flushBefore(u.flushBefore(durable))
	buf := make([]byte, u.layout.blockBytes)
	for i := range u.writersOf(block, interval{from, u.log.Len()}) {
		if i < durable && u.log.Entry(i).Flags&logwrites.FUA == 0 {
			continue
		}
		if err := u.readFrom(block, i, buf); err != nil {
			return nil, false, fmt.Errorf("%w: %w", ErrUpper, err)
		}
		ids = append(ids, idOf(buf))
	}
	return ids, false, nil
}

// demanded visits the blocks for which a mark demands more than the previous
// mark (nil for none). It may visit a block more than once.
func (u *upper) demanded(before, m *commonMark, visit func(block uint64)) {
	from := 0
	if before != nil {
		from = before.flush
	}
	for i := from; i < m.upper; i++ {
		e := u.log.Entry(i)
		if !e.HasData() || i >= m.flush && e.Flags&logwrites.FUA == 0 {
			continue
		}
		part := u.layout.origin.clip(e.Sector, e.Sectors)
		for block := part.first; block < part.end; block++ {
			visit(block)
		}
	}
}
