//go:build linux

// A tree for modules of a distribution's kernel. It consists of the package of
// headers and, from the sources, device mapper alone.

package variant

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// headerPlace is where packages of headers must be installed, and where their
// files look for each other.
const headerPlace = "/usr/src/linux-headers"

func prepareHeaders(k kernels.Kernel, work string, progress io.Writer) (tree, error) {
	source := filepath.Join(work, "linux")
	if err := unpackSources(k, work, source, progress, "*/drivers/md/*.[ch]"); err != nil {
		return tree{}, err
	}
	root := filepath.Join(work, "headers")
	if err := os.Mkdir(root, 0o755); err != nil {
		return tree{}, err
	}
	if err := unpackHeaders(k, root, progress); err != nil {
		return tree{}, err
	}
	dir := root + headerPlace + "-" + k.Release
	if err := moveHeaders(dir, root); err != nil {
		return tree{}, err
	}
	return tree{dir, filepath.Join(source, "drivers/md"), []string{
		"ARCH=x86",
		"CONFIG_DEBUG_INFO_BTF_MODULES=", // needs another tool, and no test uses types
	}}, nil
}

// unpackHeaders unpacks the package of headers and the parts that it needs.
func unpackHeaders(k kernels.Kernel, root string, progress io.Writer) error {
	archive, err := kernels.Archive(k.Origin.Suite)
	if err != nil {
		return err
	}
	name := "linux-headers-" + k.Release
	needs, err := archive.Depends(name, k.Origin.Version)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "fetching %s and what it needs (about 15 MB)\n", name)
	if err := archive.Unpack(root, name, k.Origin.Version); err != nil {
		return err
	}
	for _, need := range needs {
		var err error
		switch {
		case strings.HasPrefix(need, "linux-headers-"), strings.HasPrefix(need, "linux-kbuild-"):
			err = archive.Unpack(root, need, "")
		case strings.HasPrefix(need, "linux-compiler-"), strings.HasPrefix(need, "gcc-"):
			err = packages.Install(progress, need)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveHeaders makes the headers in dir look below root for their other parts.
func moveHeaders(dir, root string) error {
	for _, name := range []string{"Makefile", ".kernelvariables"} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		moved := strings.ReplaceAll(string(text), headerPlace, root+headerPlace)
		if err := os.WriteFile(path, []byte(moved), 0o644); err != nil {
			return err
		}
	}
	return nil
}
