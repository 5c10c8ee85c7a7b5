//go:build linux

// A tree for modules of User-mode Linux, which has no package of headers. It is
// the whole source, configured like the kernel.

package variant

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

func prepareSources(k kernels.Kernel, work string, progress io.Writer) (tree, error) {
	if err := packages.Install(progress, "flex", "bison", "bc"); err != nil {
		return tree{}, err
	}
	dir := filepath.Join(work, "linux")
	// Drivers other than md (and others in m) are half of the tree, and are not
	// used.
	if err := unpackSources(k, work, dir, progress, "--exclude=*/drivers/[!m]*.[ch]"); err != nil {
		return tree{}, err
	}
	// A module of another release would not load.
	t := tree{dir, filepath.Join(dir, "drivers/md"), []string{"ARCH=um", "KERNELRELEASE=" + k.Release}}
	fmt.Fprintln(progress, "preparing the kernel tree")
	config, err := k.Config()
	if err != nil {
		return t, err
	}
	if err := os.WriteFile(filepath.Join(dir, ".config"), config, 0o644); err != nil {
		return t, err
	}
	return t, t.make("olddefconfig", "modules_prepare")
}
