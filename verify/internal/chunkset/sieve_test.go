package chunkset

import (
	"encoding/binary"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// TestSieveLetsFewThrough: of chunks that are all different, and as many as the
// filter may have, less than one in a hundred is suspected. More would not fit
// their share of the memory, and each rest costs a pass over all exceptions.
func TestSieveLetsFewThrough(t *testing.T) {
	const words = 1 << 14
	const chunks = words * sieveLoad
	list := newSuspects(8 * chunks)
	s := newSieve(chunks, &list)
	if !s.begin(make(memory, words)) {
		t.Fatal("no pass")
	}
	record := make([]byte, cow.ExceptionSize)
	for i := range uint64(chunks) {
		binary.LittleEndian.PutUint64(record, i*i+i/3)
		s.takeOld(record)
	}
	if n := len(list.list); n == 0 || n > chunks/100 {
		t.Errorf("%d of %d chunks are suspected", n, chunks)
	}
}
