// The bound on memory that the sets of one pass share.

package chunkset

// budget is what the sets of a pass may take together. Where it is used up,
// the largest of them makes itself smaller.
//
// Pages are counted, in use or not, and directories: nothing else of a set
// grows with what a store holds, but for a few bytes to a leaf.
type budget struct {
	sets        []*chunkSet
	used        uint64 // pages
	directories uint64 // bytes
	most        uint64 // bytes
	spare       []*page
}

// leastPages lets every set hold so much that each pass gets on, however large
// the directories are.
const leastPages = 64

func newBudget(bytes uint64) *budget { return &budget{most: bytes} }

// pages is how many pages the sets may hold.
func (b *budget) pages() uint64 {
	if b.most < b.directories {
		return leastPages
	}
	return max(leastPages, (b.most-b.directories)/pageCost)
}

// take finds room for a page.
func (b *budget) take() {
	b.fit(1)
	b.used++
}

// takeDirectory counts bytes more of a directory, which will grow.
func (b *budget) takeDirectory(bytes uint64) {
	b.directories += bytes
	b.fit(0)
}

// fit makes room for n pages more.
func (b *budget) fit(n uint64) {
	most := b.pages()
	for b.used+n > most {
		largest := b.sets[0]
		for _, s := range b.sets {
			if s.held > largest.held {
				largest = s
			}
		}
		if !largest.thin() {
			largest.halve()
		}
	}
	if keep := most - b.used - n; uint64(len(b.spare)) > keep {
		clear(b.spare[keep:])
		b.spare = b.spare[:keep]
	}
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
