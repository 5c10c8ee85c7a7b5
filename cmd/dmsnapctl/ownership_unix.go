//go:build unix

package main

import (
	"io/fs"
	"os"
	"syscall"
)

// takeOwnership gives f the owner and the permissions of the file that it
// replaces. Only root can give files away.
func takeOwnership(f *os.File, old fs.FileInfo) error {
	if stat, ok := old.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		if err := f.Chown(int(stat.Uid), int(stat.Gid)); err != nil {
			return err
		}
	}
	return f.Chmod(old.Mode().Perm())
}
