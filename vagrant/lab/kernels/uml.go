//go:build linux

// The newest User-mode Linux, next to the installed one. It needs a newer C
// library than the machine has, and gets it from the same archive.

package kernels

import (
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// Paths below the root of an unpacked User-mode Linux.
const (
	umlBinary  = "usr/bin/linux.uml"
	umlModules = "usr/lib/uml/modules"
)

// fetchUML unpacks the newest User-mode Linux into dir.
func fetchUML(n Name, dir string, progress io.Writer) error {
	if err := packages.Install(progress, "patchelf"); err != nil {
		return err
	}
	archive, err := Archive(packages.Unstable)
	if err != nil {
		return err
	}
	const name = "user-mode-linux"
	versions, err := archive.Versions(name)
	if err != nil {
		return err
	}
	if len(versions) == 0 || !strings.HasPrefix(versions[0], n.Series) {
		return fmt.Errorf("%w: the newest %s is %v", errNoPackage, name, versions)
	}
	fmt.Fprintf(progress, "fetching %s %s (about 40 MB)\n", name, versions[0])
	if err := archive.Unpack(dir, name, versions[0], "./"+umlBinary, "./"+umlModules); err != nil {
		return err
	}
	if err := archive.Unpack(dir, "libc6", "", "./usr/lib/*"); err != nil {
		return err
	}
	origin := Origin{Suite: packages.Unstable, Package: name, Version: versions[0]}
	place, err := n.place()
	if err != nil {
		return err
	}
	if err := relink(filepath.Join(dir, umlBinary), dir, place); err != nil {
		return err
	}
	return origin.write(dir)
}

// relink makes a program use the C library below root, once root is at place.
// User-mode Linux executes itself again, so it is not enough to call it with
// the loader of that library.
func relink(program, root, place string) error {
	loaders, err := filepath.Glob(filepath.Join(root, "usr/lib/*/ld-linux-x86-64.so.2"))
	if err != nil || len(loaders) != 1 {
		return fmt.Errorf("the C library has %d loaders: %v", len(loaders), err)
	}
	loader := filepath.Join(place, strings.TrimPrefix(loaders[0], root))
	out, err := exec.Command("patchelf", "--set-interpreter", loader, "--set-rpath", filepath.Dir(loader), program).CombinedOutput()
	if err != nil {
		return fmt.Errorf("patchelf: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
