// Names: which exceptions of a list name a chunk.

package crash

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// names maps chunks to indexes of exceptions. Almost every chunk has one.
type names struct {
	one  map[cow.Chunk]uint32
	more map[cow.Chunk][]uint32 // all of a chunk's, ascending, if there are several
}

func newNames() names {
	return names{one: map[cow.Chunk]uint32{}, more: map[cow.Chunk][]uint32{}}
}

// add records that exception k names a chunk.
func (n *names) add(c cow.Chunk, k uint64) {
	first, named := n.one[c]
	switch list, several := n.more[c]; {
	case several:
		at, _ := slices.BinarySearch(list, uint32(k))
		n.more[c] = slices.Insert(list, at, uint32(k))
	case named:
		delete(n.one, c)
		n.more[c] = []uint32{min(first, uint32(k)), max(first, uint32(k))}
	default:
		n.one[c] = uint32(k)
	}
}

// remove forgets that exception k names a chunk.
func (n *names) remove(c cow.Chunk, k uint64) {
	list, several := n.more[c]
	if !several {
		delete(n.one, c)
		return
	}
	if at, ok := slices.BinarySearch(list, uint32(k)); ok {
		list = slices.Delete(list, at, at+1)
	}
	if n.more[c] = list; len(list) == 1 {
		delete(n.more, c)
		n.one[c] = list[0]
	}
}

// of are the exceptions that name a chunk, ascending.
func (n *names) of(c cow.Chunk) []uint32 {
	if k, ok := n.one[c]; ok {
		return []uint32{k}
	}
	return n.more[c]
}
