//go:build linux

// Package distro fetches a kernel of the distribution that is not the lab's
// own: a full one, with packed modules, to be read and not booted.
//
// What it keeps is a root directory with that kernel's dm-snapshot module, its
// lists of modules and its image, outside the source tree.
package distro

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// Series is the series of kernels of which one is fetched: the first in Debian
// whose modules are packed.
const Series = "6.12"

// ErrNotFetched means that the kernel is not there.
var ErrNotFetched = errors.New("no kernel " + Series + " of the distribution is fetched; run: go run ./vagrant/lab/cmd/lab setup")

// Find returns the root directory of the newest kernel that was fetched.
func Find() (string, error) {
	dir, err := place()
	if err != nil {
		return "", err
	}
	roots, err := filepath.Glob(filepath.Join(dir, "linux-image-*"))
	if err != nil {
		return "", err
	}
	if len(roots) == 0 {
		return "", ErrNotFetched
	}
	return slices.MaxFunc(roots, gate.CompareReleases), nil
}

// Ensure fetches the kernel unless there is one, says on progress what it does,
// and returns its root directory.
func Ensure(progress io.Writer) (string, error) {
	if root, err := Find(); !errors.Is(err, ErrNotFetched) {
		return root, err
	}
	dir, err := place()
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// Runs at the same time work each for itself; the first to finish wins.
	work, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	kernel, err := newest(filepath.Join(work, "apt"))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(progress, "fetching %s (about 34 MB), to read its modules\n", kernel.name)
	if err := kernel.from.Download(work, kernel.name, kernel.version); err != nil {
		return "", err
	}
	root := filepath.Join(work, "root")
	if err := unpack(work, root); err != nil {
		return "", fmt.Errorf("unpack %s: %w", kernel.name, err)
	}
	if err := os.Rename(root, filepath.Join(dir, kernel.name)); err != nil && !errors.Is(err, os.ErrExist) {
		return "", err
	}
	return Find()
}

func place() (string, error) {
	cache, err := lab.CacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "distro"), nil
}

// pick is a version of a package, and where it is to be had.
type pick struct {
	from          packages.Archive
	name, version string
}

// newest finds the newest kernel of the series, of the flavour for machines in
// clouds, which is the smallest: among the packages that the machine knows, or
// else among the backports, whose lists go to dir.
func newest(dir string) (pick, error) {
	own := packages.Configured
	archives := []func() (packages.Archive, error){
		func() (packages.Archive, error) { return own, nil },
		func() (packages.Archive, error) { return own, own.Update() },
		func() (packages.Archive, error) {
			backports, err := packages.Backports(dir)
			if err != nil {
				return backports, err
			}
			return backports, backports.Update()
		},
	}
	for _, next := range archives {
		archive, err := next()
		if err != nil {
			return pick{}, err
		}
		if p, ok, err := newestIn(archive); err != nil || ok {
			return p, err
		}
	}
	return pick{}, fmt.Errorf("neither the package archive nor its backports have a kernel %s (linux-image-%s.*-cloud-%s)", Series, Series, runtime.GOARCH)
}

func newestIn(archive packages.Archive) (p pick, ok bool, err error) {
	flavour := regexp.MustCompile(`^linux-image-` + regexp.QuoteMeta(Series) + `\.[0-9]+\S*[0-9]-cloud-` + runtime.GOARCH + `$`)
	names, err := archive.Names("linux-image-" + Series)
	if err != nil {
		return pick{}, false, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { return !flavour.MatchString(name) })
	slices.SortFunc(names, func(a, b string) int { return gate.CompareReleases(b, a) })
	for _, name := range names { // some are known by name only
		versions, err := archive.Versions(name)
		if err != nil {
			return pick{}, false, err
		}
		if len(versions) > 0 {
			return pick{archive, name, versions[0]}, true, nil
		}
	}
	return pick{}, false, nil
}

// unpack takes out of the package in dir what is read of it.
func unpack(dir, root string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(files) != 1 {
		return errors.Join(err, fmt.Errorf("the download left %d files", len(files)))
	}
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	const script = `dpkg-deb --fsys-tarfile "$1" |
tar -x -C "$2" --wildcards '*/modules/*/modules.*' '*/drivers/md/dm-snapshot.ko*' './boot/vmlinuz-*'`
	if out, err := exec.Command("/bin/sh", "-c", script, "sh", files[0], root).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
