// The ramdisk of a QEMU machine: the guest's first process, and the modules
// that it needs to mount its root.

//go:build linux

package lab

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/cpio"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// writeRamdisk makes the file of the ramdisk. It is not compressed:
// decompression would take an emulated machine longer than reading it.
func (k Kernel) writeRamdisk(path string) error {
	if err := buildInit(filepath.Dir(path)); err != nil {
		return err
	}
	modules, err := k.ModuleFiles(rootModules, nil)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriter(f)
	if err := fillRamdisk(cpio.NewWriter(w), filepath.Join(filepath.Dir(path), job.InitFile), modules); err != nil {
		return err
	}
	return errors.Join(w.Flush(), f.Close())
}

// fillRamdisk puts init and the modules, in their order, into the archive.
func fillRamdisk(a *cpio.Writer, init string, modules []string) error {
	put := func(name string, mode uint32, from string) error {
		content, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		return a.File(name, mode, content)
	}
	if err := put("init", 0o755, init); err != nil {
		return err
	}
	var names []string
	for _, file := range modules {
		name := filepath.Join(job.RamdiskModules, filepath.Base(file))
		if err := put(name, 0o644, file); err != nil {
			return err
		}
		names = append(names, name)
	}
	list := []byte(strings.Join(names, "\n"))
	for _, dir := range []string{"dev", "proc", "root", "sys"} {
		if err := a.Directory(dir); err != nil {
			return err
		}
	}
	return errors.Join(a.File(job.RamdiskList, 0o644, list), a.Close())
}
