package plan

// Whether a process is stopped. A guardian can ask this without opening a file.

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// runState is an open /proc/PID/stat, which returns fresh data at each read. It
// stays with its process, even if another process gets the same number later.
type runState struct {
	fd   int
	text *[512]byte // the state follows the name, which has at most 64 bytes
}

func openRunState(pid int) (runState, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/stat", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return runState{fd, new([512]byte)}, err
}

// stopped reports whether the process was stopped by a signal or a debugger.
func (s runState) stopped() bool {
	n, err := unix.Pread(s.fd, s.text[:], 0)
	return err == nil && isStopped(s.text[:n])
}

// isStopped reads the state from a line of /proc/PID/stat: the letter after the
// last bracket, since the name in brackets can hold any byte.
func isStopped(stat []byte) bool {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 || len(stat) < end+3 {
		return false
	}
	state := stat[end+2]
	return state == 'T' || state == 't'
}
