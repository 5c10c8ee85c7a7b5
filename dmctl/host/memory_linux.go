package host

// Memory that stays resident while a device is suspended that may hold the root
// file system and the swap space.

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// LockMemory makes every present and future page of this process resident until
// unlock. It reads in the whole program and everything that was swapped out,
// and reserves memory for later allocations. It does not touch memory that was
// reserved and never used, which is most of a Go program's memory. All files
// that it needs are closed when it returns.
func (h *Linux) LockMemory() (func(), error) {
	percent := debug.SetGCPercent(-1)
	unlock := func() {
		_ = unix.Munlockall()
		debug.SetGCPercent(percent)
	}
	if err := lockAll(); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

func lockAll() error {
	const all = unix.MCL_CURRENT | unix.MCL_FUTURE
	err := unix.Mlockall(all | unix.MCL_ONFAULT)
	if errors.Is(err, unix.EINVAL) { // before Linux 4.4: then reserved memory is touched, too
		err = unix.Mlockall(all)
	}
	if err != nil {
		return fmt.Errorf("mlockall: %w", err)
	}
	putBy()
	mappings, err := mappingsIn("/proc/self/maps")
	if err != nil {
		return err
	}
	if err := populateFiles(mappings); err != nil {
		return err
	}
	return swapIn(mappings)
}

// The reserve: much more than a plan allocates between its first suspend and
// its last resume, in pieces that the heap can split.
const (
	reserveBytes = 1 << 20
	reservePiece = 16 << 10
)

var reserve [reserveBytes / reservePiece][]byte

// putBy fills the heap with memory that was touched and is free. The garbage
// collector is off, so no free memory goes back to the kernel.
func putBy() {
	for i := range reserve {
		reserve[i] = make([]byte, reservePiece)
		for at := 0; at < reservePiece; at += os.Getpagesize() {
			reserve[i][at] = 1
		}
	}
	clear(reserve[:])
	runtime.GC()
}

// mapping is a readable part of the address space.
type mapping struct {
	start, end uintptr
	file       bool
}

func mappingsIn(maps string) ([]mapping, error) {
	f, err := os.Open(maps)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if m, ok := parseMapping(lines.Text()); ok {
			out = append(out, m)
		}
	}
	return out, lines.Err()
}

// parseMapping reads a line of /proc/PID/maps. It accepts readable memory of
// the program, not of the kernel: "55d0-55e0 r-xp 00000000 fe:01 1234
// /usr/bin/dmsnapctl".
func parseMapping(line string) (m mapping, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 5 || fields[1][0] != 'r' {
		return m, false
	}
	if len(fields) > 5 {
		m.file = strings.HasPrefix(fields[5], "/")
		if strings.HasPrefix(fields[5], "[v") { // vdso, vvar, vsyscall
			return m, false
		}
	}
	n, err := fmt.Sscanf(fields[0], "%x-%x", &m.start, &m.end)
	return m, err == nil && n == 2 && m.end > m.start
}

// populateFiles reads in all pages of mapped files. Otherwise program text
// would be read from the root file system at the wrong moment.
func populateFiles(mappings []mapping) error {
	for _, m := range mappings {
		if !m.file {
			continue
		}
		// mlock reads the pages in; without MCL_ONFAULT's meaning for this range.
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK, m.start, m.end-m.start, 0); errno != 0 {
			return fmt.Errorf("mlock the program: %w", errno)
		}
	}
	return nil
}

// swapIn reads in what was swapped out before memory was locked: locking on
// fault leaves it in swap.
func swapIn(mappings []mapping) error {
	pagemap, err := os.Open("/proc/self/pagemap")
	if errors.Is(err, os.ErrNotExist) { // the kernel cannot say: read everything
		return unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE)
	}
	if err != nil {
		return err
	}
	defer pagemap.Close()
	memory, err := os.Open("/proc/self/mem")
	if err != nil {
		return err
	}
	defer memory.Close()
	for _, m := range mappings {
		if err := m.swapIn(pagemap, memory); err != nil {
			return fmt.Errorf("read in memory that was swapped out: %w", err)
		}
	}
	return nil
}

// swapIn reads a byte of each swapped-out page. It reads through a file, where
// a page that has gone is an error instead of a fault.
func (m mapping) swapIn(pagemap, memory *os.File) error {
	const (
		entry   = 8               // bytes, Documentation/admin-guide/mm/pagemap.rst
		swapped = uint64(1) << 62 // in an entry
	)
	page := uintptr(os.Getpagesize())
	entries, one := make([]byte, 512*entry), make([]byte, 1)
	for at := m.start; at < m.end; {
		n := min(uintptr(len(entries)), (m.end-at)/page*entry)
		if n == 0 {
			return nil
		}
		if _, err := pagemap.ReadAt(entries[:n], int64(at/page*entry)); err != nil {
			return err
		}
		for i := uintptr(0); i < n; i += entry {
			if binary.NativeEndian.Uint64(entries[i:])&swapped != 0 {
				_, _ = memory.ReadAt(one, int64(at+i/entry*page))
			}
		}
		at += n / entry * page
	}
	return nil
}
