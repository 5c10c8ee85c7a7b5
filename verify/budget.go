// The bound on memory that the sets of one pass share.

package verify

// budget is what the sets of a pass may take together. Where it is used up,
// the largest of them drops half of what it holds.
type budget struct {
	sets  []*chunkSet
	used  uint64 // bytes
	most  uint64 // bytes
	spare []*page
}

// leastBudget lets every set hold so much that each pass gets on.
const leastBudget = 16 * pageCost

func newBudget(bytes uint64) *budget { return &budget{most: max(bytes, leastBudget)} }

// take finds room for cost bytes.
func (b *budget) take(cost uint64) {
	for b.used+cost > b.most {
		largest := b.sets[0]
		for _, s := range b.sets {
			if s.bytes > largest.bytes {
				largest = s
			}
		}
		largest.halve()
	}
	b.used += cost
}

// page is a page to use, all zero: one that was given back, if there is any. A
// garbage collector would let a multiple of the budget pile up first.
func (b *budget) page() *page {
	n := len(b.spare)
	if n == 0 {
		return new(page)
	}
	p := b.spare[n-1]
	b.spare = b.spare[:n-1]
	clear(p[:])
	return p
}

func (b *budget) giveBack(p *page) { b.spare = append(b.spare, p) }
