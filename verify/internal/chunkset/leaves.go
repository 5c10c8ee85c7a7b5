// Leaves: chunks one by one, for those that are too scattered for bitmaps.

package chunkset

import (
	"slices"
	"sort"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// leaf is a page's memory with up to pageWords chunks in ascending order.
type leaf struct {
	*page
	first cow.Chunk // that the leaf holds
	n     int       // chunks; never 0
}

func (l leaf) chunk(i int) cow.Chunk { return cow.Chunk(l.page[i]) }

func (l leaf) last() cow.Chunk { return l.chunk(l.n - 1) }

func (l leaf) full() bool { return l.n == pageWords }

// leaves are chunks in ascending order. All their memory are pages, so that
// they share a budget with bitmaps to the byte, and the upper half of them is
// found without sorting.
type leaves []leaf

// find is where c stands, or is to stand: place j of leaf i.
func (l leaves) find(c cow.Chunk) (i, j int, found bool) {
	low, high := 0, len(l)
	for low < high {
		if mid := (low + high) / 2; l[mid].first <= c {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low == 0 {
		return 0, 0, false
	}
	i = low - 1
	j, found = slices.BinarySearch(l[i].page[:l[i].n], uint64(c))
	return i, j, found
}

// roomFor is a place for a chunk that is to stand at place j of leaf i. It is
// false where a leaf must be added first.
//
// A chunk between two leaves may go to either. Were it always the lower one's,
// a store could have each chunk start a leaf of its own.
func (l leaves) roomFor(i, j int) (int, int, bool) {
	switch {
	case len(l) == 0:
		return 0, 0, false
	case !l[i].full():
		return i, j, true
	case j == pageWords && i+1 < len(l) && !l[i+1].full():
		return i + 1, 0, true
	}
	return i, j, false
}

// insert puts c at place j of leaf i, which is not full.
func (l leaves) insert(i, j int, c cow.Chunk) {
	f := &l[i]
	copy(f.page[j+1:f.n+1], f.page[j:f.n])
	f.page[j] = uint64(c)
	f.n++
	f.first = f.chunk(0)
}

// addLeaf makes room for c with the memory of p where roomFor finds none at
// place j of leaf i, and puts c there.
func (l *leaves) addLeaf(i, j int, c cow.Chunk, p *page) {
	if len(*l) == 0 || j == pageWords { // most often of many in ascending order
		at := min(i+1, len(*l))
		p[0] = uint64(c)
		*l = slices.Insert(*l, at, leaf{p, c, 1})
		return
	}
	lower := &(*l)[i]
	half := lower.n / 2
	n := copy(p[:], lower.page[half:lower.n])
	upper := leaf{p, cow.Chunk(p[0]), n}
	lower.n = half
	*l = slices.Insert(*l, i+1, upper)
	if j > half {
		i, j = i+1, j-half
	}
	l.insert(i, j, c)
}

// crowded is the page of the bitmap in which half of leaf i, which is full,
// lies: a bitmap of it holds more in the memory of a leaf.
func (l leaves) crowded(i int) (n uint64, ok bool) {
	const half = pageWords / 2
	for _, at := range []int{0, half} {
		n := l[i].page[at] >> pageBits
		if n < directoryPages && n == l[i].page[at+half-1]>>pageBits {
			return n, true
		}
	}
	return 0, false
}

// cut takes the chunks [first, end) out and calls visit for each; leaves that
// are empty then give their memory to giveBack.
func (l *leaves) cut(first, end cow.Chunk, visit func(cow.Chunk), giveBack func(*page)) {
	i := sort.Search(len(*l), func(i int) bool { return (*l)[i].last() >= first })
	from := i
	kept := (*l)[:i]
	for ; i < len(*l) && (*l)[i].first < end; i++ {
		f := (*l)[i]
		low, _ := slices.BinarySearch(f.page[:f.n], uint64(first))
		high, _ := slices.BinarySearch(f.page[:f.n], uint64(end))
		for _, c := range f.page[low:high] {
			visit(cow.Chunk(c))
		}
		f.n = low + copy(f.page[low:], f.page[high:f.n])
		if f.n == 0 {
			giveBack(f.page)
			continue
		}
		f.first = f.chunk(0)
		kept = append(kept, f)
	}
	if i > from {
		*l = slices.Delete(*l, len(kept), i)
	}
}

// dropFrom takes the chunks from first on out.
func (l *leaves) dropFrom(first cow.Chunk, giveBack func(*page)) {
	i, j, _ := l.find(first)
	if len(*l) == 0 {
		return
	}
	if j > 0 {
		(*l)[i].n = j
		i++
	}
	for _, f := range (*l)[i:] {
		giveBack(f.page)
	}
	clear((*l)[i:])
	*l = (*l)[:i]
}

// absent calls yield for the runs of [first, end) between the chunks.
func (l leaves) absent(first, end cow.Chunk, yield func(first, end cow.Chunk)) {
	i, j, _ := l.find(first)
	for ; i < len(l) && first < end; i, j = i+1, 0 {
		for ; j < l[i].n && first < end; j++ {
			c := l[i].chunk(j)
			if c >= end {
				break
			}
			if first < c {
				yield(first, c)
			}
			first = c + 1
		}
	}
	if first < end {
		yield(first, end)
	}
}
