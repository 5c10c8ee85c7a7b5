//go:build !unix

package main

import (
	"io/fs"
	"os"
)

// takeOwnership gives f the permissions of the file that it replaces.
func takeOwnership(f *os.File, old fs.FileInfo) error { return f.Chmod(old.Mode().Perm()) }
