//go:build linux

// The host's files in the guest: a read-only root, and a few writable
// directories.

package main

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/internal/job"
)

// hostFiles is the access to the host's files, which differs by engine. When
// open is called, the root is the host's root.
type hostFiles interface {
	// open makes the root read-only.
	open() error
	// mountWritable shows the host's directory dir at the guest's directory at,
	// writable.
	mountWritable(dir, at string) error
	// close removes what only mountWritable needed.
	close() error
}

// hostfs is for User-mode Linux: the kernel has already mounted the root
// read-only.
type hostfs struct{}

func (hostfs) open() error  { return nil }
func (hostfs) close() error { return nil }

func (hostfs) mountWritable(dir, at string) error {
	return mount("none", at, "hostfs", 0, dir)
}

// virtiofs is for QEMU: there is one share, and the root becomes a read-only
// view of it.
type virtiofs struct{}

// hostRoot is where the share is writable while mounts are made.
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
