//go:build unix

package output

import (
	"io/fs"
	"os"
	"syscall"
)

// takeOwner gives f the owner of the file that it replaces. Only root can
// change the owner of a file.
func takeOwner(f *os.File, old fs.FileInfo) error {
	stat, ok := old.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return f.Chown(int(stat.Uid), int(stat.Gid))
}

// sameDevice reports whether both are nodes of the same block device.
func sameDevice(a, b fs.FileInfo) bool {
	const kind = fs.ModeDevice | fs.ModeCharDevice
	x, okX := a.Sys().(*syscall.Stat_t)
	y, okY := b.Sys().(*syscall.Stat_t)
	return okX && okY && a.Mode()&kind == fs.ModeDevice && b.Mode()&kind == fs.ModeDevice && x.Rdev == y.Rdev
}
