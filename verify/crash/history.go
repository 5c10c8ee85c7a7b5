// The history of a log: which entries write which blocks, and so what a block
// holds at any entry. It is an index; contents are read from the log and the
// base image on demand.

package crash

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// never is an index past every entry.
const never = int(^uint(0) >> 1)

// interval is the entries in [from, to).
type interval struct{ from, to int }

// history is shared by all workers on a log; it does not change.
type history struct {
	log    *logwrites.Log
	base   base
	layout *layout
	kinds  []kind     // by entry
	epochs []interval // between flushes

	// Blocks are indexed by granules of 1<<shift blocks.
	shift    uint
	granules []uint64 // that entries write, ascending
	starts   []uint32 // of their entries in writers, and the end of the last one
	writers  []uint32 // entries, ascending within a granule
	// large are discards of very many granules, which are not in the index.
	large []discard
}

// discard is a run of blocks that read as zeros.
type discard struct {
	entry int
	span
}

// Limits of the index: the granules of one discard, and about how many granules
// of all entries.
const (
	maxDiscardGranules = 1 << 12
	maxIndex           = 2 << 20
)

// newHistory indexes a log.
func newHistory(l *logwrites.Log, b base, lay *layout, interrupted func() error) (*history, error) {
	h := &history{log: l, base: b, layout: lay, kinds: make([]kind, l.Len())}
	begin := 0
	for i, e := range l.Entries() {
		if i%(1<<14) == 0 {
			if err := interrupted(); err != nil {
				return nil, err
			}
		}
		if e.Flags&logwrites.Discard != 0 && e.Sectors > maxDiscard {
			return nil, fmt.Errorf("entry %d of the log (%v): a discard of %d sectors exceeds a request's limit", i, e, e.Sectors)
		}
		h.kinds[i], _ = lay.kindOf(e)
		if e.Flags&logwrites.Flush != 0 {
			h.epochs = append(h.epochs, interval{begin, i})
			begin = i
		}
	}
	h.epochs = append(h.epochs, interval{begin, l.Len()})
	h.index()
	return h, nil
}

// maxDiscard is the most blocks of a discard that states can name. A request of
// the block layer holds far fewer (4 GiB).
const maxDiscard = 1<<31 - 1

// index builds the index, with granules as small as its limits allow.
func (h *history) index() {
	h.shift = 3
	for h.indexSize() > maxIndex && h.shift < 63 {
		h.shift++
	}
	type pair struct {
		granule uint64
		entry   uint32
	}
	var pairs []pair
	h.eachGranule(func(granule uint64, entry int) { pairs = append(pairs, pair{granule, uint32(entry)}) })
	slices.SortFunc(pairs, func(a, b pair) int {
		return cmp.Or(cmp.Compare(a.granule, b.granule), cmp.Compare(a.entry, b.entry))
	})
	h.large = h.large[:0]
	for i, e := range h.log.Entries() {
		if h.isLarge(e) {
			h.large = append(h.large, discard{i, span{e.Sector, e.Sector + e.Sectors}})
		}
	}
	h.writers = make([]uint32, len(pairs))
	for i, p := range pairs {
		if i == 0 || pairs[i-1].granule != p.granule {
			h.granules = append(h.granules, p.granule)
			h.starts = append(h.starts, uint32(i))
		}
		h.writers[i] = p.entry
	}
	h.starts = append(h.starts, uint32(len(pairs)))
}

func (h *history) isLarge(e logwrites.Entry) bool {
	return e.Flags&logwrites.Discard != 0 && e.Sectors>>h.shift > maxDiscardGranules
}

func (h *history) indexSize() (n uint64) {
	for _, e := range h.log.Entries() {
		if e.Writes() && !h.isLarge(e) {
			n += (e.Sector+e.Sectors-1)>>h.shift - e.Sector>>h.shift + 1
		}
	}
	return n
}

// eachGranule visits the granules that each entry writes, in any order.
func (h *history) eachGranule(visit func(granule uint64, entry int)) {
	for i, e := range h.log.Entries() {
		if !e.Writes() || h.isLarge(e) {
			continue
		}
		for g := e.Sector >> h.shift; g <= (e.Sector+e.Sectors-1)>>h.shift; g++ {
			visit(g, i)
		}
	}
}

// writersIn are the entries that write a granule, ascending.
func (h *history) writersIn(granule uint64) []uint32 {
	at, ok := slices.BinarySearch(h.granules, granule)
	if !ok {
		return nil
	}
	return h.writers[h.starts[at]:h.starts[at+1]]
}

// covers reports whether an entry writes a block.
func covers(e logwrites.Entry, block uint64) bool {
	return block >= e.Sector && block-e.Sector < e.Sectors
}

// lastWriter is the last entry before another one that writes a block, or -1.
func (h *history) lastWriter(block uint64, before int) int {
	last := -1
	list := h.writersIn(block >> h.shift)
	n, _ := slices.BinarySearch(list, uint32(min(before, h.log.Len())))
	for n--; n >= 0; n-- {
		if covers(h.log.Entry(int(list[n])), block) {
			last = int(list[n])
			break
		}
	}
	for _, d := range h.large {
		if d.entry < before && d.entry > last && d.holds(block) {
			last = d.entry
		}
	}
	return last
}

// firstWriter is the first entry, from one on, that writes a block, or never.
func (h *history) firstWriter(block uint64, from int) int {
	first := never
	for i := range h.writersOf(block, interval{from, h.log.Len()}) {
		first = i
		break
	}
	return first
}

// writersOf yields the entries in an interval that write a block, ascending.
func (h *history) writersOf(block uint64, within interval) func(func(int) bool) {
	return func(yield func(int) bool) {
		list := h.writersIn(block >> h.shift)
		n, _ := slices.BinarySearch(list, uint32(max(0, within.from)))
		large := 0
		for {
			next := never
			for ; n < len(list) && int(list[n]) < within.to; n++ {
				if covers(h.log.Entry(int(list[n])), block) {
					next = int(list[n])
					break
				}
			}
			for ; large < len(h.large); large++ {
				if d := h.large[large]; d.entry >= within.from && d.holds(block) {
					break
				}
			}
			if large < len(h.large) && h.large[large].entry < min(next, within.to) {
				next = h.large[large].entry
				large++
			} else if next != never {
				n++
			}
			if next == never || !yield(next) {
				return
			}
		}
	}
}

// anyWriter reports whether an entry in an interval writes a block of a run.
func (h *history) anyWriter(run span, within interval) bool {
	for g := run.first >> h.shift; g <= (run.end-1)>>h.shift; g++ {
		list := h.writersIn(g)
		n, _ := slices.BinarySearch(list, uint32(max(0, within.from)))
		for ; n < len(list) && int(list[n]) < within.to; n++ {
			e := h.log.Entry(int(list[n]))
			if part := run.clip(e.Sector, e.Sectors); part.first < part.end {
				return true
			}
		}
	}
	return slices.ContainsFunc(h.large, func(d discard) bool {
		part := run.clip(d.first, d.end-d.first)
		return d.entry >= within.from && d.entry < within.to && part.first < part.end
	})
}

// lastWriters visits a run of blocks in pieces, each with the last entry before
// a given one that wrote it; -1 is the base image.
func (h *history) lastWriters(run span, before int, visit func(part span, entry int) error) error {
	for at := run.first; at < run.end; {
		end := min(run.end, (at>>h.shift+1)<<h.shift)
		if err := h.lastWritersIn(span{at, end}, before, visit); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// lastWritersIn is lastWriters of blocks of one granule.
func (h *history) lastWritersIn(run span, before int, visit func(part span, entry int) error) error {
	for at := run.first; at < run.end; {
		entry := h.lastWriter(at, before)
		var end uint64
		// The end of the piece: up to the end of what the entry wrote, if
		// nothing else was written since.
		if entry >= 0 {
			e := h.log.Entry(entry)
			end = min(run.end, e.Sector+e.Sectors)
		} else {
			end = run.end
		}
		if end > at+1 && h.anyWriter(span{at, end}, interval{entry + 1, before}) {
			end = at + 1
		}
		if err := visit(span{at, end}, entry); err != nil {
			return err
		}
		at = end
	}
	return nil
}

// read fills buf with the content of a run of blocks if all entries before a
// given one are durable.
func (h *history) read(first uint64, before int, buf []byte) error {
	ss := h.layout.blockBytes
	return h.lastWriters(span{first, first + uint64(len(buf))/ss}, before, func(part span, entry int) error {
		return h.readFrom(part.first, entry, buf[(part.first-first)*ss:(part.end-first)*ss])
	})
}

// readFrom fills buf with the content that an entry, or the base image, gives
// blocks.
func (h *history) readFrom(first uint64, entry int, buf []byte) error {
	if entry < 0 {
		if err := h.base.read(buf, first*h.layout.blockBytes); err != nil {
			return fmt.Errorf("reading block %d of the base image: %w", first, err)
		}
		return nil
	}
	e := h.log.Entry(entry)
	if e.Flags&logwrites.Discard != 0 {
		clear(buf)
		return nil
	}
	if err := h.log.ReadData(e, first-e.Sector, buf); err != nil {
		return fmt.Errorf("reading entry %d of the log: %w", entry, err)
	}
	return nil
}

// blocksWritten visits the blocks of a run that entries before a given one
// write, in runs, granule by granule.
func (h *history) blocksWritten(run span, visit func(span) error) error {
	at, _ := slices.BinarySearch(h.granules, run.first>>h.shift)
	for ; at < len(h.granules) && h.granules[at]<<h.shift < run.end; at++ {
		first := h.granules[at] << h.shift
		if err := visit(span{max(run.first, first), min(run.end, first+1<<h.shift)}); err != nil {
			return err
		}
	}
	return nil
}
