// Choices: what of an epoch may be durable or not, and in which ways it can be
// torn.

package crash

import "math/bits"

// epochBuilder lists the choices of an epoch.
type epochBuilder struct {
	*epoch
	first map[cell]int32   // the first piece that writes a block
	last  map[cell]blockID // what a block holds after the choices so far
}

// add lists an entry, unless nothing changes whether it is durable or not.
func (b *epochBuilder) add(entry int, st *step) {
	var differ []int
	rewrites := false
	for i, w := range st.writes {
		if b.before(w.cell) != w.id {
			differ = append(differ, len(b.pieces)+i)
		}
		_, again := b.first[w.cell]
		rewrites = rewrites || again
	}
	if len(differ) == 0 && !rewrites && (st.kind == copies || st.kind == metadata) {
		return
	}
	c := choice{entry: entry, kind: st.kind, store: st.store, pieces: interval{len(b.pieces), len(b.pieces) + len(st.writes)}}
	if c.kind == commits || c.kind == metadata {
		c.masks, c.all = tornMasks(differ)
	}
	for _, w := range st.writes {
		b.addPiece(w)
	}
	b.choices = append(b.choices, c)
}

// before is what a block holds where all choices so far are durable.
func (b *epochBuilder) before(c cell) blockID {
	if id, is := b.last[c]; is {
		return id
	}
	return b.x.durable[c]
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
	b.last[w.cell] = w.id
	b.pieces = append(b.pieces, piece{write: w, shared: shared})
}

// exhaustBits is the most differing blocks of a commit that are torn in all
// ways.
const exhaustBits = 8

// tornMasks are the ways in which a write can be torn: all proper subsets of
// the blocks that differ or, of many blocks, each alone, each left out, and
// the first ones.
func tornMasks(differ []int) (masks [][]int, all bool) {
	n := len(differ)
	if n <= exhaustBits {
		for bitmap := uint(1); bitmap+1 < 1<<n; bitmap++ {
			mask := make([]int, 0, bits.OnesCount(bitmap))
			for i, p := range differ {
				if bitmap>>i&1 != 0 {
					mask = append(mask, p)
				}
			}
			masks = append(masks, mask)
		}
		return masks, true
	}
	for i, p := range differ {
		without := append(append([]int(nil), differ[:i]...), differ[i+1:]...)
		masks = append(masks, []int{p}, without)
		if i >= 2 && i < n-1 {
			masks = append(masks, differ[:i])
		}
	}
	return masks, false
}
