package host

// The programs that have a device open.

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Programs implements Host. It looks at the open files of all processes, which
// takes long: it is for devices that cannot be removed.
func (h *Linux) Programs(dev blockdev.DevNo) []string {
	return programsWith("/proc", func(st *unix.Stat_t) bool { return isNodeOf(st, dev) })
}

// programsWith returns the programs that have a certain file open.
func programsWith(proc string, is func(*unix.Stat_t) bool) (programs []string) {
	fds, _ := filepath.Glob(proc + "/[0-9]*/fd/*") // the pattern is right
	seen := map[string]bool{strconv.Itoa(os.Getpid()): true}
	for _, fd := range fds {
		dir := filepath.Dir(filepath.Dir(fd))
		pid := filepath.Base(dir)
		var st unix.Stat_t
		if seen[pid] || unix.Stat(fd, &st) != nil || !is(&st) {
			continue
		}
		seen[pid] = true
		name, _ := os.ReadFile(filepath.Join(dir, "comm")) // without it, the number remains
		programs = append(programs, fmt.Sprintf("%s (process %s)", printable(string(name)), pid))
	}
	return programs
}

// printable is the name of a program, which the program itself can set to
// anything.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, strings.TrimSuffix(name, "\n"))
}
