//go:build !linux

package blockdev

import (
	"io/fs"
	"os"
)

const (
	blockDevices = false
	directFlag   = 0
)

func logicalBlockSize(*os.File) (int, error)        { return defaultBlockSize, nil }
func devNoOf(fs.FileInfo) DevNo                     { return DevNo{} }
func explainOpen(_ string, _ bool, err error) error { return err }

// DropCache does nothing: only plain files are supported here.
func (d *File) DropCache() error { return nil }

func (d *File) again() string { return d.path }
