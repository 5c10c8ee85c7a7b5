//go:build !unix

package output

import (
	"io/fs"
	"os"
)

// takeOwner does nothing: the user who makes a file owns it.
func takeOwner(*os.File, fs.FileInfo) error { return nil }

// sameDevice reports false: there are no block devices here.
func sameDevice(_, _ fs.FileInfo) bool { return false }
