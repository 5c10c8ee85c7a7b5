//go:build linux

// Mounts that every program expects.

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// scratch is the guest's directory for temporary files, on a tmpfs. The host's
// /tmp stays visible too: go test keeps its test binaries there.
const scratch = "/run/tmp"

// mountBase mounts the kernel's file systems and a writable /run. The control
// node of device mapper comes with devtmpfs.
func mountBase() error {
	base := []struct{ kind, at, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"devtmpfs", "/dev", "mode=0755"},
		{"devpts", "/dev/pts", "mode=0620,ptmxmode=0666"},
		{"tmpfs", "/dev/shm", ""},
		{"tmpfs", "/run", "mode=0755"},
	}
	for _, m := range base {
		// EBUSY: the kernel mounts devtmpfs itself if the root has a /dev.
		if err := mount(m.kind, m.at, m.kind, 0, m.options); err != nil && !errors.Is(err, unix.EBUSY) {
			return err
		}
	}
	for _, dir := range []string{scratch, "/run/lock"} {
		if err := os.MkdirAll(dir, 0o1777); err != nil {
			return err
		}
	}
	return nil
}

// mount mounts source at a directory. It makes the directory if it can: the
// root is read-only, so this works only on file systems mounted before. If the
// directory is missing, the mount reports it.
func mount(source, at, kind string, flags uintptr, options string) error {
	_ = os.MkdirAll(at, 0o755)
	if err := unix.Mount(source, at, kind, flags, options); err != nil {
		return fmt.Errorf("mount %s on %s: %w", source, at, err)
	}
	return nil
}
