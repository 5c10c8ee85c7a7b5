package dmctl

// Memory that stays resident while a device is suspended that may hold the
// root file system and the swap space.

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// LockMemory has every page that this process has, and every one that it will
// get, stay resident, and reads in all of the program itself. It does not
// touch memory that was reserved and never used, which for a Go program is
// most of it.
func (h linuxHost) LockMemory() (func(), error) {
	const all = unix.MCL_CURRENT | unix.MCL_FUTURE
	err := unix.Mlockall(all | unix.MCL_ONFAULT)
	if errors.Is(err, unix.EINVAL) { // before Linux 4.4: then reserved memory is touched, too
		err = unix.Mlockall(all)
	}
	if err != nil {
		return nil, fmt.Errorf("mlockall: %w", err)
	}
	if err := populateFiles("/proc/self/maps"); err != nil {
		_ = unix.Munlockall()
		return nil, err
	}
	return func() { _ = unix.Munlockall() }, nil
}

// populateFiles reads in all pages of mapped files: program text is what would
// be read from the root file system at the wrong moment.
func populateFiles(maps string) error {
	f, err := os.Open(maps)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		start, end, ok := fileMapping(lines.Text())
		if !ok {
			continue
		}
		// mlock reads the pages in; without MCL_ONFAULT's meaning for this range.
		if _, _, errno := unix.Syscall(unix.SYS_MLOCK, start, end-start, 0); errno != 0 {
			return fmt.Errorf("mlock the program: %w", errno)
		}
	}
	return lines.Err()
}

// fileMapping reads a line of /proc/PID/maps:
// "55d0-55e0 r-xp 00000000 fe:01 1234 /usr/bin/dmsnapctl".
func fileMapping(line string) (start, end uintptr, ok bool) {
	fields := strings.Fields(line)
	if len(fields) < 6 || !strings.HasPrefix(fields[5], "/") || fields[1][0] != 'r' {
		return 0, 0, false
	}
	n, err := fmt.Sscanf(fields[0], "%x-%x", &start, &end)
	return start, end, err == nil && n == 2 && end > start
}
