//go:build linux

// Where a kernel came from: its package, and the archives that have it.

package kernels

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// Origin is the package that a kernel was taken from. The zero Origin is the
// machine's own configured archive.
type Origin struct {
	// Suite is the argument of [Archive].
	Suite string
	// Package and Version identify the kernel's package.
	Package, Version string

	root string // where it was unpacked
}

const originFile = "origin.json"

// path returns the path of a file of the package.
func (o Origin) path(name string) string { return filepath.Join(o.root, name) }

// one returns the only file that matches one of the patterns.
func (o Origin) one(patterns ...string) (string, error) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(o.path(pattern))
		if err != nil {
			return "", err
		}
		if len(files) == 1 {
			return files[0], nil
		}
	}
	return "", fmt.Errorf("no %s in %s", filepath.Base(patterns[0]), o.root)
}

func (o Origin) write(dir string) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, originFile), text, 0o644)
}

// readOrigin reads what write wrote. The error is [os.ErrNotExist] if nothing
// was fetched.
func readOrigin(dir string) (Origin, error) {
	text, err := os.ReadFile(filepath.Join(dir, originFile))
	if err != nil {
		return Origin{}, err
	}
	o := Origin{root: dir}
	if err := json.Unmarshal(text, &o); err != nil {
		return Origin{}, fmt.Errorf("read %s: %w", filepath.Join(dir, originFile), err)
	}
	return o, nil
}

// archives are the archives opened so far, with lists of this run.
var archives struct {
	sync.Mutex
	open map[string]packages.Archive
}

// Archive returns the archive of a suite with fresh lists: "" is the machine's
// configured archive, others are those of [packages.Open].
func Archive(suite string) (packages.Archive, error) {
	archives.Lock()
	defer archives.Unlock()
	if a, ok := archives.open[suite]; ok {
		return a, nil
	}
	a := packages.Configured
	if suite != "" {
		cache, err := lab.CacheDir()
		if err != nil {
			return a, err
		}
		if a, err = packages.Open(suite, filepath.Join(cache, "apt", suite)); err != nil {
			return a, err
		}
	}
	if err := a.Update(); err != nil {
		return a, err
	}
	if archives.open == nil {
		archives.open = map[string]packages.Archive{}
	}
	archives.open[suite] = a
	return a, nil
}

// errNoPackage means that no archive has a package for a kernel.
var errNoPackage = errors.New("no package archive has it")
