// The pieces of the list that could not be read: further passes leave them out.

package verify

import "slices"

// maxUnread bounds the memory for places that could not be read: half a
// megabyte. Places beyond it are not remembered, and are reported again.
const maxUnread = 64 << 10

// places are the indexes of the first records of unreadable pieces, in
// ascending order.
type places []uint64

func (s *places) add(index uint64) {
	if at, known := slices.BinarySearch(*s, index); !known && len(*s) < maxUnread {
		*s = slices.Insert(*s, at, index)
	}
}

func (s places) has(index uint64) bool {
	_, known := slices.BinarySearch(s, index)
	return known
}
