// The unpacked sources of a kernel, and make in them.

package variant

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
)

// tree is the directory in which a module is built.
type tree struct {
	dir  string   // for make -C
	md   string   // drivers/md of the sources
	args []string // additional arguments for make
}

// make runs make in the tree.
func (t tree) make(args ...string) error {
	args = append(append([]string{"-C", t.dir, fmt.Sprintf("-j%d", runtime.NumCPU())}, t.args...), args...)
	cmd := exec.Command("make", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	return quiet(cmd)
}

// quiet runs a command. The error has the end of its output.
func quiet(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		const kept = 2000 // bytes
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out[max(0, len(out)-kept):])
	}
	return nil
}

// unpackSources unpacks the sources of the kernel's release into dir, all or
// those that match tar's patterns.
func unpackSources(k kernels.Kernel, work, dir string, progress io.Writer, tarOptions ...string) error {
	archive, err := kernels.Archive(k.Origin.Suite)
	if err != nil {
		return err
	}
	name, version, err := sourcePackage(k, archive.Versions)
	if err != nil {
		return err
	}
	fmt.Fprintf(progress, "fetching %s %s (about 150 MB)\n", name, version)
	packed := "usr/src/" + name + ".tar.xz"
	if err := archive.Unpack(work, name, version, "./"+packed); err != nil {
		return err
	}
	packed = filepath.Join(work, packed)
	defer os.Remove(packed)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	args := append([]string{"-xf", packed, "-C", dir, "--strip-components=1", "--wildcards"}, tarOptions...)
	return quiet(exec.Command("tar", args...))
}

// sourcePackage finds the package with the sources of a kernel, such as
// linux-source-6.1 in version 6.1.176-1 for User-mode Linux 6.1.176.
func sourcePackage(k kernels.Kernel, versions func(name string) ([]string, error)) (name, version string, err error) {
	name = "linux-source-" + k.Name.Series
	have, err := versions(name)
	if err != nil {
		return "", "", err
	}
	for _, version := range have {
		switch {
		case k.Engine == lab.QEMU && version == k.Origin.Version, // built from exactly these
			k.Engine == lab.UML && strings.HasPrefix(version, k.Release+"-"):
			return name, version, nil
		}
	}
	if k.Engine == lab.UML && k.Origin.Suite != "" && len(have) > 0 {
		// A suite that keeps only one version has the sources of a later
		// release of the series. User-mode Linux has no module versions, and
		// the interfaces within device mapper do not change within a series.
		return name, have[0], nil
	}
	return "", "", fmt.Errorf("the package archive has no %s for kernel %s %s", name, k.Release, k.Origin.Version)
}
