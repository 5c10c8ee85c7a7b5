package installed

// The kernel that runs, on Linux.

import "golang.org/x/sys/unix"

// RunningRelease returns the release of the running kernel (uname -r), or ""
// if it is not known.
func RunningRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}
