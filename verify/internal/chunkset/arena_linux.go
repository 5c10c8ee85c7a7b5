package chunkset

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size in bytes of those of most machines. Others take a part
// of the advice, or none.
const hugePage = 2 << 20

// preferHugePages asks the system to give m in large pages. Chunks are visited
// in random order: of 10,000 small pages, each costs a page fault, and the
// processor cannot keep all of them in mind.
func preferHugePages(m memory) {
	first := uint64(-uintptr(unsafe.Pointer(unsafe.SliceData(m))) % hugePage / 8)
	if first >= uint64(len(m)) {
		return
	}
	m = m[first:]
	m = m[:uint64(len(m))&^(hugePage/8-1)]
	if len(m) > 0 {
		// Without huge pages it works as well.
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m))), len(m)*8), unix.MADV_HUGEPAGE)
	}
}
