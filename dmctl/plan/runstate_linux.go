package plan

// Whether a process is stopped, as a guardian can ask without opening anything.

import (
	"bytes"
	"fmt"

	"golang.org/x/sys/unix"
)

// runState is an open /proc/PID/stat, which tells anew at each read. It stays
// with its process: one that takes the number later is not told of.
type runState struct {
	fd   int
	text *[512]byte // the state stands behind the name, which has 64 bytes at most
}

func openRunState(pid int) (runState, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/stat", pid), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return runState{fd, new([512]byte)}, err
}

// stopped says whether the process was stopped by a signal or a debugger.
func (s runState) stopped() bool {
	n, err := unix.Pread(s.fd, s.text[:], 0)
	return err == nil && isStopped(s.text[:n])
}

// isStopped reads the state out of a line of /proc/PID/stat: the letter behind
// the last bracket, since the name in brackets can hold any byte.
func isStopped(stat []byte) bool {
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 || len(stat) < end+3 {
		return false
	}
	state := stat[end+2]
	return state == 'T' || state == 't'
}
