//go:build linux

// The file systems of the guest: the host's files as a read-only root, the
// kernel's own on top, and the few writable places.

package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// scratch is the guest's directory for temporary files, on a tmpfs. The host's
// /tmp stays visible beside it: go test keeps its test binaries there.
const scratch = "/run/tmp"

// mountBase mounts what every program expects and, at [job.Mount], the host's
// directory jobDir. The device mapper's control node comes with devtmpfs.
func mountBase(jobDir string) error {
	base := []struct{ kind, at, options string }{
		{"proc", "/proc", ""},
		{"sysfs", "/sys", ""},
		{"devtmpfs", "/dev", "mode=0755"},
		{"devpts", "/dev/pts", "mode=0620,ptmxmode=0666"},
		{"tmpfs", "/dev/shm", ""},
		{"tmpfs", "/run", "mode=0755"},
	}
	for _, m := range base {
		// The root is read-only: only what lies on a file system mounted
		// before it can be made, the rest is there or the mount says so.
		_ = os.MkdirAll(m.at, 0o755)
		err := unix.Mount(m.kind, m.at, m.kind, 0, m.options)
		// EBUSY: the kernel mounts devtmpfs itself where the root has a /dev.
		if err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s on %s: %w", m.kind, m.at, err)
		}
	}
	for _, dir := range []string{scratch, "/run/lock"} {
		if err := os.MkdirAll(dir, 0o1777); err != nil {
			return err
		}
	}
	return mountWritable(jobDir, job.Mount)
}

// mountWritable shows the host's directory dir at the guest's directory at.
func mountWritable(dir, at string) error {
	_ = os.MkdirAll(at, 0o755) // as in mountBase
	if err := unix.Mount("none", at, "hostfs", 0, dir); err != nil {
		return fmt.Errorf("mount the host's %s on %s: %w", dir, at, err)
	}
	return nil
}
