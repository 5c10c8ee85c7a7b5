// Choices: which entries of an epoch may be durable or not, and how they can be
// torn.

package crash

import "slices"

// epochBuilder lists the choices of an epoch.
type epochBuilder struct {
	*epoch
	first map[cell]int32 // the first piece that writes a block
}

// add lists an entry, unless it makes no difference whether it is durable. A
// block that was written before in the epoch always makes a difference, because
// those earlier writes may be missing.
func (b *epochBuilder) add(entry int, st *step) {
	var differ []int
	for i, w := range st.writes {
		if _, again := b.first[w.cell]; again || b.x.durable[w.cell] != w.id {
			differ = append(differ, len(b.pieces)+i)
		}
	}
	if len(differ) == 0 && (st.kind == copies || st.kind == metadata) {
		return
	}
	c := choice{entry: entry, kind: st.kind, store: st.store, ordered: st.ordered, pieces: interval{len(b.pieces), len(b.pieces) + len(st.writes)}}
	if c.kind == commits || c.kind == metadata {
		c.masks = masks{differ}
	}
	for _, w := range st.writes {
		b.addPiece(w)
	}
	b.choices = append(b.choices, c)
}

func (b *epochBuilder) addPiece(w write) {
	n := int32(len(b.pieces))
	earlier, shared := b.first[w.cell]
	if !shared {
		b.first[w.cell] = n
	} else {
		if b.writers == nil {
			b.writers = map[cell][]int32{}
		}
		if b.writers[w.cell] == nil {
			b.writers[w.cell] = []int32{earlier}
			b.pieces[earlier].shared = true
		}
		b.writers[w.cell] = append(b.writers[w.cell], n)
	}
	b.pieces = append(b.pieces, piece{write: w, shared: shared})
}

// exhaustBits is the most differing blocks of a commit for which all ways of
// tearing are tried.
const exhaustBits = 8

// masks are the ways in which a write can be torn. For few differing blocks,
// they are all proper subsets of these. For many, they are first each block
// alone, then prefixes, then all but one. Neighbours differ in few blocks.
type masks struct {
	differ []int // pieces, ascending; empty for a write that is never torn
}

// all reports whether the masks are all possible ways.
func (m masks) all() bool { return len(m.differ) <= exhaustBits }

func (m masks) len() int {
	switch n := len(m.differ); {
	case n < 2:
		return 0
	case m.all():
		return 1<<n - 2
	default:
		return n + (n - 3) + n
	}
}

// has reports whether a piece is durable in a mask.
func (m masks) has(mask, piece int) bool {
	n := len(m.differ)
	at, ok := piece-m.differ[0], piece >= m.differ[0] && piece <= m.differ[n-1]
	if m.differ[n-1]-m.differ[0] != n-1 {
		at, ok = slices.BinarySearch(m.differ, piece)
	}
	switch {
	case !ok:
		return false
	case m.all():
		return (mask+1)>>at&1 != 0
	case mask < n:
		return at == mask
	case mask < n+n-3:
		return at < mask-n+2
	default:
		return at != mask-(n+n-3)
	}
}
