package plan

import (
	"fmt"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A stop by a terminal would leave suspended devices suspended.
var stops = []syscall.Signal{unix.SIGTSTP, unix.SIGTTIN, unix.SIGTTOU}

// sigAction is the kernel's struct sigaction, or more than it: what is in it
// after the handler depends on the architecture.
type sigAction [8]uintptr

// ignored counts the pauses of this process: several controllers may have one.
var ignored struct {
	sync.Mutex
	pauses int
	was    map[syscall.Signal]*sigAction
}

// ignoreStops keeps a terminal from stopping this process until restore is
// called. After that each signal does what it did before. signal.Reset does not
// undo signal.Ignore: this program, and those that it starts, would never stop
// again.
func ignoreStops() (restore func(), err error) {
	ignored.Lock()
	defer ignored.Unlock()
	if ignored.pauses == 0 {
		const ignore = 1 // SIG_IGN
		ignored.was = map[syscall.Signal]*sigAction{}
		for _, s := range stops {
			was := &sigAction{}
			if err := swapAction(s, &sigAction{ignore}, was); err != nil {
				restoreStops()
				return nil, err
			}
			ignored.was[s] = was
		}
	}
	ignored.pauses++
	return func() {
		ignored.Lock()
		defer ignored.Unlock()
		if ignored.pauses--; ignored.pauses == 0 {
			restoreStops()
		}
	}, nil
}

func restoreStops() {
	for s, was := range ignored.was {
		_ = swapAction(s, was, &sigAction{}) // the kernel has accepted it before
	}
}

// swapAction sets what a signal does in this process, and returns what it did.
func swapAction(s syscall.Signal, is, was *sigAction) error {
	const maskBytes = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(s), uintptr(unsafe.Pointer(is)), uintptr(unsafe.Pointer(was)), maskBytes, 0, 0)
	if errno != 0 {
		return fmt.Errorf("change what signal %d does: %w", s, errno)
	}
	return nil
}
