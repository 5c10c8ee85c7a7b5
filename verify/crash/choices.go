// Choices: what of an epoch may be durable or not, and in which ways it can be
// torn.

package crash

import "math/bits"

// epochBuilder lists the choices of an epoch.
type epochBuilder struct {
	*epoch
	first map[cell]int32 // the first piece that writes a block
}

// add lists an entry, unless nothing changes whether it is durable or not. A
// block that was written before in the epoch makes a difference whatever it
// held then, as those writes may be missing.
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
	c := choice{entry: entry, kind: st.kind, store: st.store, pieces: interval{len(b.pieces), len(b.pieces) + len(st.writes)}}
	if c.kind == commits || c.kind == metadata {
		c.masks, c.all = tornMasks(differ)
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
