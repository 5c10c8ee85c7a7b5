// The arena: memory that the sets of the first pass share and that later
// passes reuse. (With a garbage collector, several times as much would pile up
// first.)

package chunkset

const (
	// leastPages lets each pass make progress, however little memory there is.
	leastPages = 64
	// loosePages are allocated one by one, before the whole memory is
	// allocated: most stores need no more.
	loosePages = 64
)

// memory is a piece of an arena.
type memory []uint64

// arena hands out memory up to a limit.
type arena struct {
	words uint64 // the limit
	all   memory // allocated when first needed; the system provides it page by page
	pages uint64 // in use
	loose uint64 // pages that were allocated one by one
	next  uint64 // first word of all that was never handed out
	spare []*page
	extra uint64 // bytes that the users hold in addition
	users []user
}

func newArena(bytes uint64) *arena {
	return &arena{words: max(leastPages, bytes/pageBytes) * pageWords}
}

// user holds pages of an arena.
type user interface {
	holds() uint64 // pages
	lose()         // gives them all back, permanently
}

// page returns a zeroed page. If the memory is used up, the user that holds
// the most pages loses all of them. It returns nil if no user holds any.
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

// giveBack takes back a page that is no longer used.
func (a *arena) giveBack(p *page) {
	a.pages--
	a.spare = append(a.spare, p)
}

// take returns n words of zeroed memory, or all there is, for one user. Memory
// handed out before must not be used any more, and no pages are handed out
// afterwards.
func (a *arena) take(n uint64) memory {
	a.spare = nil
	a.allocate()
	n = min(n, a.words)
	clear(a.all[:min(n, a.next)])
	a.next = max(a.next, n)
	return a.all[:n]
}

// allocate allocates the memory if that has not been done.
func (a *arena) allocate() {
	if a.all == nil {
		a.all = make(memory, a.words)
		preferHugePages(a.all)
	}
}
