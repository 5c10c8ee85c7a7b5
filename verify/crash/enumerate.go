// Enumerating the states of one epoch: which parts of the entries between two
// flushes are durable.

package crash

import (
	"math/bits"
	"math/rand/v2"
)

// maxStores bounds the stores of one origin: a word holds one bit for each.
const maxStores = 64

// pick is how much of a choice is durable.
type pick int32

const (
	none  pick = -2
	whole pick = -1 // or torn: the index of one of its masks
)

// choice is an entry that may be durable or not.
type choice struct {
	entry int
	kind  kind
	store int16
	// ordered is true of a FUA write of a store's metadata. It is durable once
	// it is done, and the store's next writes wait for it.
	ordered bool
	pieces  interval // indexes into the epoch's pieces
	masks   masks    // the ways it can be torn that make a difference
}

// piece is a block that a choice writes.
type piece struct {
	write
	shared bool // another choice of the epoch also writes the block
}

// epoch enumerates the states of one epoch.
type epoch struct {
	x *explorer
	interval
	choices []choice
	pieces  []piece
	on      []bool           // by piece
	writers map[cell][]int32 // pieces, ascending, of shared cells
	state   []pick           // by choice: the state that the disk is in
	torn    int              // commits that are torn in it
	target  []pick           // scratch
	leaf    func()           // called for every state
	stopped bool             // the epoch was stopped: no more states
}

// newEpoch lists the choices of an epoch. Its entries must be applied, with
// everything before it durable.
func newEpoch(x *explorer, e interval, leaf func()) *epoch {
	r := &epoch{x: x, interval: e, leaf: leaf}
	b := epochBuilder{epoch: r, first: map[cell]int32{}}
	for i := e.from; i < e.to; i++ {
		if st := x.step(i); len(st.writes) > 0 {
			b.add(i, st)
		}
	}
	r.on = make([]bool, len(r.pieces))
	r.state = make([]pick, len(r.choices))
	r.target = make([]pick, len(r.choices))
	for i := range r.state {
		r.state[i] = none
	}
	return r
}

// setPiece changes whether one block of an entry is durable.
func (r *epoch) setPiece(n int, on bool) {
	if r.on[n] == on {
		return
	}
	r.on[n] = on
	p := &r.pieces[n]
	if !p.shared {
		if on {
			r.x.set(p.cell, p.id)
		} else {
			r.x.set(p.cell, r.x.durable[p.cell])
		}
		return
	}
	id := r.x.durable[p.cell]
	for _, w := range r.writers[p.cell] { // the later durable write wins
		if r.on[w] {
			id = r.pieces[w].id
		}
	}
	r.x.set(p.cell, id)
}

func isTorn(p pick) int {
	if p >= 0 {
		return 1
	}
	return 0
}

// choose changes how much of a choice is durable.
func (r *epoch) choose(n int, p pick) {
	if r.state[n] == p {
		return
	}
	c := &r.choices[n]
	if c.kind == commits {
		r.torn += isTorn(p) - isTorn(r.state[n])
	}
	r.state[n] = p
	// From the last block to the first: records after a block of an area
	// cost least while that block changes.
	for i := c.pieces.to - 1; i >= c.pieces.from; i-- {
		r.setPiece(i, p == whole || p >= 0 && c.masks.has(int(p), i))
	}
}

// count is the number of states from choice n on, at most limit.
func (r *epoch) count(n int, c chain, limit int, memo map[countKey]int) int {
	if n == len(r.choices) {
		return 1
	}
	key := countKey{n, c.missing}
	if sum, ok := memo[key]; ok {
		return sum
	}
	ch := &r.choices[n]
	sum := 0
	for p := none; p < pick(ch.masks.len()) && sum < limit; p++ {
		if c.allows(ch, p) {
			sum += r.count(n+1, c.after(ch, p), limit-sum, memo)
		}
	}
	memo[key] = sum
	return sum
}

type countKey struct {
	choice  int
	missing uint64
}

// exhaustible reports whether the epoch has few enough states to visit all.
func (r *epoch) exhaustible(limit int) bool {
	if len(r.choices) > bits.Len(uint(limit)) {
		return false
	}
	for _, c := range r.choices {
		if !c.masks.all() {
			return false
		}
	}
	return r.count(0, chain{}, limit+1, map[countKey]int{}) <= limit
}

// exhaust visits all states from choice n on.
func (r *epoch) exhaust(n int, c chain) {
	if n == len(r.choices) {
		r.leaf()
		return
	}
	ch := &r.choices[n]
	for p := none; p < pick(ch.masks.len()) && !r.stopped; p++ {
		if c.allows(ch, p) {
			r.choose(n, p)
			r.exhaust(n+1, c.after(ch, p))
		}
	}
	r.choose(n, none)
}

// settle brings the disk to the nearest legal state to target, by dropping what
// may not be durable there.
func (r *epoch) settle(target []pick) {
	c := chain{}
	for n := range r.choices {
		ch := &r.choices[n]
		p := target[n]
		if !c.allows(ch, p) {
			p = none
		}
		c = c.after(ch, p)
		r.choose(n, p)
	}
}

func (r *epoch) all(p pick) []pick {
	for i := range r.target {
		r.target[i] = p
	}
	return r.target
}

// prefixes visits the states of a disk that writes in the order of the log,
// with each commit torn on the way.
func (r *epoch) prefixes() {
	r.settle(r.all(none))
	r.leaf()
	for n := range r.choices {
		if r.stopped {
			return
		}
		for p := range r.choices[n].masks.len() {
			r.choose(n, pick(p))
			r.leaf()
		}
		r.choose(n, whole)
		r.leaf()
	}
}

// singles visits the states that lack one entry, and those that have only one.
// An origin write comes with the commits that it needs, and a commit with the
// earlier ones.
func (r *epoch) singles() {
	r.settle(r.all(whole))
	r.flip(none, func(c *choice) bool { return !c.ordered })
	for n, c := range r.choices {
		if c.ordered && !r.stopped {
			target := r.all(whole)
			target[n] = none
			r.settle(target)
			r.leaf()
		}
	}
	r.settle(r.all(none))
	r.flip(whole, func(c *choice) bool { return !c.ordered && c.kind != origins })
	for n, c := range r.choices {
		if c.ordered && !r.stopped {
			r.choose(n, whole)
			r.leaf()
		}
	}
	r.flip(whole, func(c *choice) bool { return c.kind == origins })
}

// flip visits, for each choice that satisfies of, the current state with that
// choice picked the other way.
func (r *epoch) flip(p pick, of func(*choice) bool) {
	for n := range r.choices {
		if was := r.state[n]; was != p && of(&r.choices[n]) && !r.stopped {
			r.choose(n, p)
			r.leaf()
			r.choose(n, was)
		}
	}
}

// tears visits at most limit states in which one block of a copy or an origin
// write is missing, or is the only one there.
func (r *epoch) tears(limit int) {
	for _, p := range []pick{whole, none} {
		r.settle(r.all(p))
		missing := chain{}
		for n := range r.choices {
			ch := &r.choices[n]
			missing = missing.after(ch, p)
			if ch.kind != copies && ch.kind != origins || !missing.allows(ch, whole) {
				continue
			}
			for i := ch.pieces.from; i < ch.pieces.to && ch.pieces.to-ch.pieces.from > 1; i++ {
				if limit--; limit < 0 || r.stopped {
					return
				}
				r.setPiece(i, p == none)
				r.leaf()
				r.setPiece(i, p != none)
			}
		}
	}
}

// sample visits n random states. The same seed and part give the same states.
func (r *epoch) sample(n int, seed, part uint64) {
	const walk = 64 // states between two fresh starts
	random := rand.New(rand.NewPCG(seed, uint64(r.from)|part<<32))
	wish := make([]pick, len(r.choices))
	for i := range n {
		if r.stopped {
			return
		}
		if i%walk == 0 {
			for k := range wish {
				wish[k] = r.choices[k].anyPick(random)
			}
		}
		for range 1 + random.IntN(3) {
			k := random.IntN(len(wish))
			wish[k] = r.choices[k].anyPick(random)
		}
		r.settle(wish)
		r.leaf()
	}
}

func (ch *choice) anyPick(random *rand.Rand) pick {
	if n := ch.masks.len(); n > 0 && random.IntN(4) == 0 {
		return pick(random.IntN(n))
	}
	return none + pick(random.IntN(2))
}

// name returns the state that the disk is in.
func (r *epoch) name() State {
	s := State{Durable: r.from}
	for n := range r.choices {
		ch := &r.choices[n]
		var blocks []int
		for i := ch.pieces.from; i < ch.pieces.to; i++ {
			if r.on[i] {
				blocks = append(blocks, int(r.pieces[i].block))
			}
		}
		switch {
		case len(blocks) == 0:
		case len(blocks) == ch.pieces.to-ch.pieces.from:
			s.Chosen = append(s.Chosen, Choice{Entry: ch.entry})
		default:
			s.Chosen = append(s.Chosen, Choice{Entry: ch.entry, Blocks: blocks})
		}
	}
	return s
}
