//go:build linux

// Package kernels knows the kernels of the lab, gets them from packages, and
// finds them again. They are unpacked below the cache directory and not
// installed: the machine's own kernel and packages stay as they are.
package kernels

// From the top down: kernels, cloud, uml, depmod, name, origin.

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// All are the kernels of the lab.
var All = []Name{
	{lab.UML, "6.1"},
	{lab.UML, "7.2"},
	{lab.QEMU, "6.1"},
	{lab.QEMU, "6.12"},
	{lab.QEMU, "7.2"},
}

// StockOnly says why the lab builds no module for a kernel; empty if it does.
func (n Name) StockOnly() string {
	if n == (Name{lab.QEMU, "7.2"}) {
		return "its build tools need a newer C library and compiler than Debian 12 has"
	}
	return ""
}

// Defaults are the kernels that [Of] returns for an engine alone.
var Defaults = map[lab.Engine]Name{
	lab.UML:  {lab.UML, "6.1"},
	lab.QEMU: {lab.QEMU, "6.12"},
}

// Of finds the name of a kernel. Without a series, it is the default of the
// engine.
func Of(engine lab.Engine, series string) (Name, error) {
	if series == "" {
		if n, ok := Defaults[engine]; ok {
			return n, nil
		}
	}
	for _, n := range All {
		if n.Engine == engine && n.Series == series {
			return n, nil
		}
	}
	return Name{}, fmt.Errorf("there is no kernel %s (known: %s)", strings.TrimSuffix(Name{engine, series}.String(), "-"), list(All))
}

// Parse reads a list of names such as "uml-6.1,qemu-6.12"; "all" means all
// kernels.
func Parse(text string) ([]Name, error) {
	if text == "all" {
		return All, nil
	}
	var names []Name
	for word := range strings.SplitSeq(text, ",") {
		engine, series, _ := strings.Cut(word, "-")
		n, err := Of(lab.Engine(engine), series)
		if err != nil {
			return nil, err
		}
		names = append(names, n)
	}
	return names, nil
}

func list(names []Name) string {
	var words []string
	for _, n := range names {
		words = append(words, n.String())
	}
	return strings.Join(words, ", ")
}

// ErrNotFetched means that the kernel is not on this machine.
var ErrNotFetched = errors.New("is not here; run: bin/lab setup -kernels")

// Kernel is a bootable kernel, and where it came from.
type Kernel struct {
	lab.Kernel
	Name   Name
	Origin Origin
}

// Root is the directory below which the package of a fetched kernel was
// unpacked; empty for an installed kernel.
func (k Kernel) Root() string { return k.Origin.root }

// Find returns the kernel if it is on this machine.
func (n Name) Find() (Kernel, error) {
	if n == Defaults[lab.UML] {
		return n.installed()
	}
	dir, err := n.place()
	if err != nil {
		return Kernel{}, err
	}
	origin, err := readOrigin(dir)
	if errors.Is(err, os.ErrNotExist) {
		return Kernel{}, fmt.Errorf("kernel %s %w %s", n, ErrNotFetched, n)
	}
	if err != nil {
		return Kernel{}, err
	}
	return n.unpacked(origin)
}

// Ensure gets the kernel, unless it is here, and what its engine needs. It
// reports progress.
func (n Name) Ensure(progress io.Writer) (Kernel, error) {
	if err := packages.Install(progress, enginePackages[n.Engine]...); err != nil {
		return Kernel{}, err
	}
	if k, err := n.Find(); !errors.Is(err, ErrNotFetched) {
		return k, err
	}
	dir, err := n.place()
	if err != nil {
		return Kernel{}, err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return Kernel{}, err
	}
	// Concurrent runs work separately; the first to finish wins.
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return Kernel{}, err
	}
	defer os.RemoveAll(work)
	fetch := fetchCloud
	if n.Engine == lab.UML {
		fetch = fetchUML
	}
	if err := fetch(n, work, progress); err != nil {
		return Kernel{}, fmt.Errorf("fetch kernel %s: %w", n, err)
	}
	if err := os.Rename(work, dir); err != nil && !errors.Is(err, os.ErrExist) {
		return Kernel{}, err
	}
	return n.Find()
}

// enginePackages are the packages that an engine needs. The machine's own
// User-mode Linux is also a kernel of the lab.
var enginePackages = map[lab.Engine][]string{
	lab.UML:  {"user-mode-linux"},
	lab.QEMU: {"qemu-system-x86"},
}

// installed returns the User-mode Linux that is installed on the machine.
func (n Name) installed() (Kernel, error) {
	k, err := lab.FindKernel()
	if err != nil {
		return Kernel{}, err
	}
	if !strings.HasPrefix(k.Release, n.Series+".") {
		return Kernel{}, fmt.Errorf("the installed User-mode Linux is %s, not %s", k.Release, n.Series)
	}
	return Kernel{Kernel: k, Name: n}, nil
}

// unpacked returns the kernel below its origin's root.
func (n Name) unpacked(origin Origin) (Kernel, error) {
	if n.Engine == lab.UML {
		k, err := lab.UMLKernel(origin.path(umlBinary), origin.path(umlModules))
		return Kernel{k, n, origin}, err
	}
	image, err := origin.one("boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz")
	if err != nil {
		return Kernel{}, err
	}
	config, err := origin.one("boot/config-*", "usr/lib/modules/*/config")
	if err != nil {
		return Kernel{}, err
	}
	index, err := origin.one("lib/modules/*/modules.dep", "usr/lib/modules/*/modules.dep")
	if err != nil {
		return Kernel{}, err
	}
	modules := filepath.Dir(index)
	return Kernel{lab.Kernel{
		Engine:     lab.QEMU,
		Binary:     image,
		Release:    filepath.Base(modules),
		ModuleDir:  modules,
		ConfigFile: config,
	}, n, origin}, nil
}
