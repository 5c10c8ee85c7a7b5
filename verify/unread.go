// Which pieces of the list could not be read: further passes leave them out.

package verify

import "slices"

// maxUnread bounds the memory for places that could not be read: half a
// megabyte. Those beyond it are remembered by none, and told again.
const maxUnread = 64 << 10

// places are indexes of records from which on a piece could not be read, in
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
