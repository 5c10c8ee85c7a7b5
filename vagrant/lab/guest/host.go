//go:build linux

// The host's files in the guest: a read-only root, and the few directories that
// may be written to.

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// hostFiles are the ways to the host's files, one for each engine. The root is
// the host's when open is called.
type hostFiles interface {
	// open makes the root read-only.
	open() error
	// mountWritable shows the host's directory dir at the guest's directory at.
	mountWritable(dir, at string) error
	// close takes away what only mountWritable needed.
	close() error
}

// hostfs is User-mode Linux's: the kernel has mounted the root read-only.
type hostfs struct{}

func (hostfs) open() error  { return nil }
func (hostfs) close() error { return nil }

func (hostfs) mountWritable(dir, at string) error {
	return mount("none", at, "hostfs", 0, dir)
}

// virtiofs is QEMU's: one share, of which the root becomes a read-only view.
type virtiofs struct{}

// hostRoot is where the share can be written to while mounts are made.
const hostRoot = "/run/host"

func (virtiofs) open() error {
	if err := mount("/", hostRoot, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("make the root read-only: %w", err)
	}
	return nil
}

func (virtiofs) close() error {
	if err := unix.Unmount(hostRoot, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount %s: %w", hostRoot, err)
	}
	return nil
}

func (virtiofs) mountWritable(dir, at string) error {
	return mount(hostRoot+dir, at, "", unix.MS_BIND, "")
}

// enterShare leaves the ramdisk: the share becomes the root.
func enterShare(share string) error {
	list, err := os.ReadFile(job.RamdiskList)
	if err != nil {
		return err
	}
	for file := range strings.Lines(string(list)) {
		if err := loadModule(strings.TrimSpace(file)); err != nil {
			return err
		}
	}
	const root = "/root"
	if err := mount(share, root, "virtiofs", 0, ""); err != nil {
		return err
	}
	if err := unix.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("make the host's files the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("make the host's files the root: %w", err)
	}
	return unix.Chdir("/")
}
