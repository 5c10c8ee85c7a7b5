// The arena: memory that the sets of the first pass share, and that the
// further passes use again for something else. (A garbage collector would let
// a multiple of it pile up first.)

package chunkset

const (
	// leastPages let each pass get on, however little memory there is.
	leastPages = 64
	// loosePages are allocated one by one before all the memory is: most stores
	// need no more.
	loosePages = 64
)

// memory is a piece of an arena.
type memory []uint64

// arena hands out memory up to a bound.
type arena struct {
	words uint64 // the bound
	all   memory // allocated once it is needed; the system gives it page by page
	pages uint64 // in use
	loose uint64 // pages that were allocated one by one
	next  uint64 // first word of all that was never handed out
	spare []*page
	extra uint64 // bytes that its users hold beside it
	users []user
}

func newArena(bytes uint64) *arena {
	return &arena{words: max(leastPages, bytes/pageBytes) * pageWords}
}

// user is who holds pages of an arena.
type user interface {
	holds() uint64 // pages
	lose()         // gives them all back, for good
}

// page is a page to use, all zero. If the memory is used up, the user that holds
// most of it loses that; nil if nobody holds any.
func (a *arena) page() *page {
	for a.pages >= leastPages && (a.pages+1)*pageBytes+a.extra > a.words*8 {
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
	a.allocate()
	p := (*page)(a.all[a.next:][:pageWords])
	a.next += pageWords
	return p
}

// giveBack takes a page that nobody uses any more.
func (a *arena) giveBack(p *page) {
	a.pages--
	a.spare = append(a.spare, p)
}

// take is zeroed memory of n words, or of all there is, for one user. It ends
// the use of all that was handed out before, and no pages are handed out
// afterwards.
func (a *arena) take(n uint64) memory {
	a.spare = nil
	a.allocate()
	n = min(n, a.words)
	clear(a.all[:min(n, a.next)])
	a.next = max(a.next, n)
	return a.all[:n]
}

// allocate sees to it that the memory is there.
func (a *arena) allocate() {
	if a.all == nil {
		a.all = make(memory, a.words)
		preferHugePages(a.all)
	}
}
