//go:build linux

package sdnotify

import "golang.org/x/sys/unix"

// send sends one datagram. Package net could do it, but its initialisation
// would slow down each start of the program. A path that begins with @ is in
// the abstract namespace, as in unix.SockaddrUnix.
func send(path string, message []byte) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, message, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, &unix.SockaddrUnix{Name: path})
}
