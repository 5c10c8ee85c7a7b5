// The arena: memory that the sets of the first pass share, and that the
// further passes use again for something else. (A garbage collector would let
// a multiple of it pile up first.)

package chunkset

const (
	blockWords = 1 << 13 // 64 KiB
	blockBytes = blockWords * 8
	blockPages = blockWords / pageWords

	// leastBlocks lets each pass get on, however little memory there is.
	leastBlocks = 4
	// loosePages are allocated one by one, before blocks are: most stores
	// need no more.
	loosePages = 16
)

// block is a piece of memory.
type block [blockWords]uint64

// arena hands out memory up to a bound.
type arena struct {
	most   uint64 // blocks
	blocks []*block
	pages  uint64  // in use
	loose  uint64  // pages that were allocated one by one
	next   int     // first page of the last block that was never handed out
	spare  []*page // given back
	extra  uint64  // bytes that its users hold beside it
	users  []user
}

func newArena(bytes uint64) *arena { return &arena{most: max(leastBlocks, bytes/blockBytes)} }

// user is who holds pages of an arena.
type user interface {
	holds() uint64 // pages
	lose()         // gives them all back, for good
}

// page is a page to use, all zero. If the memory is used up, the user that holds
// most of it loses that; nil if nobody holds any.
func (a *arena) page() *page {
	for a.pages >= leastBlocks*blockPages && (a.pages+1)*pageBytes+a.extra > a.most*blockBytes {
		largest := a.users[0]
		for _, u := range a.users[1:] {
			if u.holds() > largest.holds() {
				largest = u
			}
		}
		if largest.holds() == 0 {
			return nil
		}
		largest.lose()
	}
	a.pages++
	if n := len(a.spare); n > 0 {
		p := a.spare[n-1]
		a.spare = a.spare[:n-1]
		clear(p[:])
		return p
	}
	if a.loose < loosePages {
		a.loose++
		return new(page)
	}
	if len(a.blocks) == 0 || a.next == blockPages {
		a.blocks, a.next = append(a.blocks, new(block)), 0
	}
	at := a.next * pageWords
	a.next++
	return (*page)(a.blocks[len(a.blocks)-1][at : at+pageWords])
}

// giveBack takes a page that nobody uses any more.
func (a *arena) giveBack(p *page) {
	a.pages--
	a.spare = append(a.spare, p)
}

// take is zeroed memory of n blocks for one user. It ends the use of all that
// was handed out before, and no pages are handed out afterwards.
func (a *arena) take(n uint64) memory {
	a.spare = nil
	n = max(1, min(n, a.most))
	for i := range min(n, uint64(len(a.blocks))) {
		clear(a.blocks[i][:])
	}
	for uint64(len(a.blocks)) < n {
		a.blocks = append(a.blocks, new(block))
	}
	return memory(a.blocks[:n])
}

// memory is words in blocks.
type memory []*block

func (m memory) words() uint64 { return uint64(len(m)) * blockWords }

// at is word i.
func (m memory) at(i uint64) *uint64 { return &m[i/blockWords][i%blockWords] }
