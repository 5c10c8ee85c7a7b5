// Check for enough descriptors, or exit with a message.

package first

import "syscall"

const (
	// spare is how many descriptors the runtime, a library's initialisation and
	// a command need to fail with a message if no more are available.
	spare   = 8
	message = "dmsnapctl: too many open files: fewer than 8 descriptors are left (see ulimit -n)\n"
	notDone = 3 // the exit code
)

func init() {
	if !enough() {
		_, _ = syscall.Write(2, []byte(message)) // a failure could not be reported
		syscall.Exit(notDone)
	}
}

// enough opens the descriptors that are needed, and closes them again.
func enough() bool {
	for range spare {
		fd, _, err := syscall.Syscall(syscall.SYS_FCNTL, 2, syscall.F_DUPFD_CLOEXEC, 3)
		if err == syscall.EMFILE || err == syscall.EINVAL { // or the limit is 3 at most
			return false
		}
		if err == 0 {
			defer syscall.Close(int(fd)) // nothing was written to it
		}
	}
	return true
}
