//go:build linux

// From the distribution's source package to a module.

package leaky

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// tools are the packages that building a module of the kernel takes.
var tools = []string{"gcc", "libc6-dev", "make", "flex", "bison", "bc", "xz-utils"}

// sources are the files of drivers/md that make up the module; they include
// headers from there as well.
var sources = []string{"dm-snap.c", "dm-exception-store.c", "dm-snap-transient.c", "dm-snap-persistent.c"}

const kbuild = `obj-m := dm-snapshot.o
dm-snapshot-y := dm-snap.o dm-exception-store.o dm-snap-transient.o dm-snap-persistent.o
ccflags-y := -I$(srctree)/drivers/md
`

// build makes the module in work, which is empty and removed afterwards, and
// returns its file.
func build(k lab.Kernel, work string, progress io.Writer) (string, error) {
	if err := packages.Install(progress, tools...); err != nil {
		return "", err
	}
	tree, module := filepath.Join(work, "linux"), filepath.Join(work, "module")
	if err := fetch(k, work, tree, progress); err != nil {
		return "", err
	}
	fmt.Fprintln(progress, "preparing the kernel tree")
	if err := prepare(k, tree); err != nil {
		return "", err
	}
	fmt.Fprintln(progress, "building the leaky dm-snapshot "+Version)
	if err := writeModule(tree, module); err != nil {
		return "", err
	}
	if err := kernelMake(tree, "M="+module, "KBUILD_MODPOST_WARN=1", "modules"); err != nil {
		return "", err
	}
	return filepath.Join(module, Module+".ko"), nil
}

// fetch unpacks the sources of just the kernel's release into tree.
func fetch(k lab.Kernel, work, tree string, progress io.Writer) error {
	name, version, err := sourcePackage(k.Release)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "fetching %s %s (about 140 MB)\n", name, version)
	if err := packages.Configured.Download(work, name, version); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil || len(files) != 1 {
		return errors.Join(err, fmt.Errorf("download of %s left %d files", name, len(files)))
	}
	fmt.Fprintln(progress, "unpacking it")
	if err := os.Mkdir(tree, 0o755); err != nil {
		return err
	}
	// The code of all drivers but md (and others in m) is half of the tree
	// and not used.
	const unpack = `dpkg-deb --fsys-tarfile "$1" | tar -xO "./usr/src/$2.tar.xz" |
tar -xJ -C "$3" --strip-components=1 --exclude='*/drivers/[!m]*.[ch]'`
	if err := quiet(exec.Command("/bin/sh", "-c", unpack, "sh", files[0], name, tree)); err != nil {
		return fmt.Errorf("unpack %s: %w", files[0], err)
	}
	return os.Remove(files[0])
}

// sourcePackage finds the package with the sources of release, such as
// linux-source-6.1 in version 6.1.176-1 for 6.1.176.
func sourcePackage(release string) (name, version string, err error) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 3 {
		return "", "", fmt.Errorf("kernel release %q has not three parts", release)
	}
	name = "linux-source-" + parts[0] + "." + parts[1]
	for _, renew := range []func() error{func() error { return nil }, packages.Configured.Update} {
		if err := renew(); err != nil {
			return "", "", err
		}
		versions, err := packages.Configured.Versions(name)
		if err != nil {
			return "", "", err
		}
		for _, version := range versions {
			if strings.HasPrefix(version, release+"-") {
				return name, version, nil
			}
		}
	}
	return "", "", fmt.Errorf("the package archive has no %s of release %s", name, release)
}

// prepare configures the tree as k was, as far as building a module needs.
func prepare(k lab.Kernel, tree string) error {
	config, err := k.Config()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tree, ".config"), config, 0o644); err != nil {
		return err
	}
	if err := kernelMake(tree, "olddefconfig", "modules_prepare"); err != nil {
		return err
	}
	// A module of another release would not load.
	release, err := os.ReadFile(filepath.Join(tree, "include/config/kernel.release"))
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(release)); got != k.Release {
		return fmt.Errorf("the sources are of release %s", got)
	}
	return nil
}

// writeModule puts the edited sources of the module into dir.
func writeModule(tree, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, name := range sources {
		text, err := os.ReadFile(filepath.Join(tree, "drivers/md", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	for _, e := range edits {
		if err := e.apply(dir); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "Kbuild"), []byte(kbuild), 0o644)
}

// kernelMake runs make in the kernel's tree.
func kernelMake(tree string, args ...string) error {
	args = append([]string{"-C", tree, fmt.Sprintf("-j%d", runtime.NumCPU()), "ARCH=um"}, args...)
	cmd := exec.Command("make", args...)
	// What an outer make hands down is not for this one.
	cmd.Env = append(os.Environ(), "MAKEFLAGS=", "MAKELEVEL=", "MFLAGS=", "LC_ALL=C")
	return quiet(cmd)
}

// quiet runs cmd; the error has the end of what it said.
func quiet(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		const kept = 2000 // bytes
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out[max(0, len(out)-kept):])
	}
	return nil
}
