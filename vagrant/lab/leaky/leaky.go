//go:build linux

// Package leaky builds a dm-snapshot module with the space leak in it, for the
// lab's kernel, out of the distribution's own kernel sources. Those are fetched
// by package when the module is built; only the edit is here.
package leaky

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
)

// Version is what the module's target "snapshot" calls itself: the last version
// before the fix.
const Version = "1.11.1"

// Module is the name of the module, to be used with [lab.Machine].Replace.
const Module = "dm-snapshot"

// ErrNotBuilt means that the module for this kernel and this edit is not there.
var ErrNotBuilt = errors.New("the leaky dm-snapshot module is not built; run: go run ./vagrant/lab/cmd/lab setup")

// Find returns the file of the module that was built for k.
func Find(k lab.Kernel) (string, error) {
	path, err := place(k)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", ErrNotBuilt
	}
	return path, nil
}

// Ensure builds the module for k unless it is there, says on progress what it
// does, and returns the module's file. Several may run at once: one builds, the
// others wait for it.
func Ensure(k lab.Kernel, progress io.Writer) (string, error) {
	path, err := place(k)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := sweep(dir); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(dir, workPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	built, err := build(k, work, progress)
	if err != nil {
		return "", fmt.Errorf("build the leaky dm-snapshot for kernel %s: %w", k.Release, err)
	}
	return path, os.Rename(built, path)
}

// workPrefix begins the names of directories in which modules are built.
const workPrefix = "build-"

// sweep removes what killed builds left in dir, which is locked.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, workPrefix+"*"))
	if err != nil {
		return err
	}
	for _, work := range left {
		if err := os.RemoveAll(work); err != nil {
			return err
		}
	}
	return nil
}

// place is where the module for k belongs: another release, configuration or
// edit has another place.
func place(k lab.Kernel) (string, error) {
	cache, err := lab.CacheDir()
	if err != nil {
		return "", err
	}
	config, err := k.Config()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%v\n", config, kbuild, edits)
	key := fmt.Sprintf("%s-%x", k.Release, sum.Sum(nil)[:6])
	return filepath.Join(cache, "leaky", key, Module+".ko"), nil
}

// lock takes the lock file at path, waiting for others. The kernel drops the
// lock with the process, so that a killed build blocks nobody.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
