package chunkset

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page in bytes on most machines. Others follow
// part of the advice, or none of it.
const hugePage = 2 << 20

// preferHugePages asks the system for huge pages for m. Chunks are visited in
// random order. With small pages, the first visit to each costs a page fault,
// and the processor's TLB cannot hold all of them.
func preferHugePages(m memory) {
	first := uint64(-uintptr(unsafe.Pointer(unsafe.SliceData(m))) % hugePage / 8)
	if first >= uint64(len(m)) {
		return
	}
	m = m[first:]
	m = m[:uint64(len(m))&^(hugePage/8-1)]
	if len(m) > 0 {
		// Without huge pages it works too.
		_ = unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(m))), len(m)*8), unix.MADV_HUGEPAGE)
	}
}
