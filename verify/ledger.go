// The ledger: a reversible account. It takes exceptions and gives them back, to
// judge a store with a slightly different list: the crash explorer's states,
// and the holes that package mend fills.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// Ledger holds a list of exceptions in memory and knows at all times what
// Verify would say of it. Push, Pop and At take constant time. Replace takes
// time linear in the later records whose figures change.
//
// The zero value is not usable; NewLedger makes one.
type Ledger struct {
	bounds  cow.Bounds
	entries []ledgerEntry
	named   census // COW chunks on the device, metadata chunks included
	old     census // origin chunks
	data    uint64 // different data chunks in named
	wraps   int    // exceptions after which the next free chunk is 0
	counts  [ledgerCodes]uint64
	errors  uint64 // the sum of counts: all of these codes are errors
}

// ledgerEntry is an exception with the account's running figures after it.
// Taking the exception back means returning to the previous entry.
type ledgerEntry struct {
	e        cow.Exception
	next     cow.Chunk // the kernel's next free chunk, before it skips metadata
	descents uint64
	deviates uint64 // 1 + index of the first record that is not canonical, 0 if none is
	wrong    misplacement
}

// The codes that a ledger counts, in the order of its counts: misplacements
// first.
const (
	ledgerCowTwice = 4 + iota
	ledgerOriginTwice
	ledgerCodes
)

// NewLedger returns an empty ledger.
func NewLedger(b cow.Bounds) *Ledger { return &Ledger{bounds: b} }

// Bounds returns the bounds that exceptions are checked against.
func (l *Ledger) Bounds() cow.Bounds { return l.bounds }

// Len returns the number of exceptions.
func (l *Ledger) Len() int { return len(l.entries) }

// At returns exception k. Like a slice, it panics if k is out of range.
func (l *Ledger) At(k int) cow.Exception { return l.entries[k].e }

// Push appends an exception to the list. It must not be a terminator.
func (l *Ledger) Push(e cow.Exception) {
	l.entries = append(l.entries, l.entry(len(l.entries), e))
	l.take(l.entries[len(l.entries)-1], 1)
}

// Pop removes the last exception and returns it. It panics if there is none.
func (l *Ledger) Pop() cow.Exception {
	last := l.entries[len(l.entries)-1]
	l.entries = l.entries[:len(l.entries)-1]
	l.take(last, ^uint64(0))
	return last.e
}

// Replace replaces exception k.
func (l *Ledger) Replace(k int, e cow.Exception) {
	l.take(l.entries[k], ^uint64(0))
	l.entries[k] = l.entry(k, e)
	l.take(l.entries[k], 1)
	for i := k + 1; i < len(l.entries); i++ {
		renewed := l.entry(i, l.entries[i].e)
		if renewed == l.entries[i] {
			return
		}
		l.entries[i] = renewed
	}
}

// entry works out exception k from the entry before it.
func (l *Ledger) entry(k int, e cow.Exception) ledgerEntry {
	prev := ledgerEntry{next: cow.FirstData}
	if k > 0 {
		prev = l.entries[k-1]
	}
	n := ledgerEntry{
		e: e, next: nextFree(prev.next, e),
		descents: prev.descents, deviates: prev.deviates,
		wrong: misplaced(l.bounds, e),
	}
	if k > 0 && e.New < prev.e.New {
		n.descents++
	}
	if n.deviates == 0 && e.New != l.bounds.Geometry.DataChunk(uint64(k)) {
		n.deviates = uint64(k) + 1
	}
	return n
}

// take counts an entry in (by is 1) or out (by is -1, wrapped).
func (l *Ledger) take(n ledgerEntry, by uint64) {
	for i, m := range misplacements {
		if n.wrong&m.is != 0 {
			l.count(i, by)
		}
	}
	if n.wrong&beyondDevice == 0 {
		switch first := l.named.change(n.e.New, by); {
		case !first:
			l.count(ledgerCowTwice, by)
		case n.wrong&onMetadata == 0:
			l.data += by
		}
	}
	if first := l.old.change(n.e.Old, by); !first {
		l.count(ledgerOriginTwice, by)
	}
	if n.e.New+1 == 0 {
		l.wraps += int(by)
	}
}

func (l *Ledger) count(code int, by uint64) {
	l.counts[code] += by
	l.errors += by
}

// Errors is the number of findings that are errors: misplaced exceptions and
// duplicates. A list without errors parses, and names each chunk at most once.
func (l *Ledger) Errors() uint64 { return l.errors }

// Counts returns the number of findings by code, for the codes that depend on
// the exceptions alone.
func (l *Ledger) Counts() map[Code]uint64 {
	counts := map[Code]uint64{}
	put := func(c Code, n uint64) {
		if n > 0 {
			counts[c] = n
		}
	}
	for i, m := range misplacements {
		put(m.code, l.counts[i])
	}
	put(DuplicateCOWChunk, l.counts[ledgerCowTwice])
	put(DuplicateOriginChunk, l.counts[ledgerOriginTwice])
	put(LeakedChunks, l.Leaked())
	return counts
}

// NextFree returns the kernel's next free chunk after it has read the list.
func (l *Ledger) NextFree() cow.Chunk {
	next := cow.FirstData
	if n := len(l.entries); n > 0 {
		next = l.entries[n-1].next
	}
	return l.bounds.Geometry.SkipMetadata(next)
}

// Leaked returns the number of data chunks that are allocated but not named by
// any exception.
func (l *Ledger) Leaked() uint64 {
	limit := l.bounds.Allocated(l.NextFree())
	named := l.data
	if l.wraps > 0 { // only then does an exception name a chunk above the limit
		named = l.dataBelow(limit)
	}
	return l.bounds.Geometry.DataChunksIn(cow.FirstData, limit) - named
}

// dataBelow counts the different data chunks below limit.
func (l *Ledger) dataBelow(limit cow.Chunk) uint64 {
	seen := map[cow.Chunk]bool{}
	for _, n := range l.entries {
		if n.e.New < limit && n.wrong&(beyondDevice|onMetadata) == 0 {
			seen[n.e.New] = true
		}
	}
	return uint64(len(seen))
}

// Order compares the exceptions with the canonical layout.
func (l *Ledger) Order() Order {
	o := Order{Canonical: true}
	if n := len(l.entries); n > 0 {
		last := l.entries[n-1]
		o.Descents = last.descents
		if last.deviates > 0 {
			first := last.deviates - 1
			o.Canonical, o.FirstDeviation = false, &first
		}
	}
	return o
}

// Holds reports whether an exception in the list names chunk c of the COW
// device.
func (l *Ledger) Holds(c cow.Chunk) bool { return l.named.of(c) > 0 }

// HoldsOrigin reports whether an exception in the list names chunk c of the
// origin.
func (l *Ledger) HoldsOrigin(c cow.Chunk) bool { return l.old.of(c) > 0 }

// censusNear bounds the chunk numbers that a census finds by index.
const censusNear = 1 << 20

// census counts how often each chunk was named.
type census struct {
	near []uint32 // grows as needed
	far  map[cow.Chunk]uint32
}

func (s *census) of(c cow.Chunk) uint32 {
	if c < cow.Chunk(len(s.near)) {
		return s.near[c]
	}
	return s.far[c]
}

// change adds by (1, or -1 wrapped) to the count of c, and reports whether c is
// now named for the first time, or no longer.
func (s *census) change(c cow.Chunk, by uint64) (first bool) {
	if c >= censusNear {
		return s.changeFar(c, by)
	}
	for c >= cow.Chunk(len(s.near)) {
		s.near = append(s.near, make([]uint32, max(1024, len(s.near)))...)
	}
	s.near[c] += uint32(by)
	return becameFirst(s.near[c], by)
}

func (s *census) changeFar(c cow.Chunk, by uint64) (first bool) {
	if s.far == nil {
		s.far = map[cow.Chunk]uint32{}
	}
	n := s.far[c] + uint32(by)
	if n == 0 {
		delete(s.far, c)
	} else {
		s.far[c] = n
	}
	return becameFirst(n, by)
}

// becameFirst reports whether a change by one unit, to n, was the first or took
// away the last.
func becameFirst(n uint32, by uint64) bool {
	if by == 1 {
		return n == 1
	}
	return n == 0
}
