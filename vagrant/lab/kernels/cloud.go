//go:build linux

// A distribution's kernels. The lab uses the flavour for clouds, which is the
// smallest.

package kernels

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// fetchCloud unpacks the newest kernel of the series into dir.
func fetchCloud(n Name, dir string, progress io.Writer) error {
	origin, err := newestCloud(n.Series)
	if err != nil {
		return err
	}
	archive, err := Archive(origin.Suite)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "fetching %s %s (about 35 MB)\n", origin.Package, origin.Version)
	for _, name := range parts(origin.Package) {
		if err := archive.Unpack(dir, name, origin.Version); err != nil {
			return err
		}
	}
	for _, pattern := range []string{"lib/modules/*", "usr/lib/modules/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, modules := range found {
			if err := writeIndex(modules); err != nil {
				return err
			}
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "usr/share")); err != nil {
		return err
	}
	return origin.write(dir)
}

// cloudPackage matches the packages of kernels. Up to Debian 13 a kernel is one
// package. Later there are several; this matches the one with the image.
var cloudPackage = regexp.MustCompile(`^linux-(image|binary)-([0-9]+\.[0-9]+)\.[0-9]+\S*-cloud-` + runtime.GOARCH + `$`)

// parts returns the packages of a kernel, given the one with its image.
func parts(name string) []string {
	m := cloudPackage.FindStringSubmatch(name)
	if m == nil || m[1] == "image" {
		return []string{name}
	}
	release := name[len("linux-binary-"):]
	return []string{name, "linux-modules-" + release, "linux-base-" + release}
}

// newestCloud finds the newest kernel of the series. It looks in the machine's
// own archive, then in its backports, then in the suite of new packages.
func newestCloud(series string) (Origin, error) {
	for _, suite := range []string{"", packages.Backports, packages.Unstable} {
		archive, err := Archive(suite)
		if err != nil {
			return Origin{}, err
		}
		for _, prefix := range []string{"linux-binary-", "linux-image-"} {
			names, err := archive.Names(prefix + series)
			if err != nil {
				return Origin{}, err
			}
			for _, name := range newestFirst(names, series) {
				versions, err := archive.Versions(name) // for some only the name is known
				if err != nil {
					return Origin{}, err
				}
				if len(versions) > 0 {
					return Origin{Suite: suite, Package: name, Version: versions[0]}, nil
				}
			}
		}
	}
	return Origin{}, errNoPackage
}

// newestFirst returns those of names that are packages of the series' kernels,
// newest first.
func newestFirst(names []string, series string) []string {
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		m := cloudPackage.FindStringSubmatch(name)
		return m == nil || m[2] != series
	})
	slices.SortFunc(names, func(a, b string) int { return gate.CompareReleases(b, a) })
	return names
}
