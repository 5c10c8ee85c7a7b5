//go:build linux

// From the distribution's source package to a module.

package variant

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// tools are the packages needed to build a module of the kernel.
var tools = []string{"gcc", "libc6-dev", "make", "xz-utils"}

// sources are the files of drivers/md that make up the module. They also
// include headers from there.
var sources = []string{"dm-snap.c", "dm-exception-store.c", "dm-snap-transient.c", persistent}

const kbuild = `obj-m := dm-snapshot.o
dm-snapshot-y := dm-snap.o dm-exception-store.o dm-snap-transient.o dm-snap-persistent.o
ccflags-y := -I$(srctree)/drivers/md
`

// build builds the module in work, which is empty and removed afterwards. It
// returns the file of the module.
func (v Variant) build(k kernels.Kernel, work string, progress io.Writer) (string, error) {
	if err := packages.Install(progress, tools...); err != nil {
		return "", err
	}
	prepare := prepareSources
	if k.Engine == lab.QEMU {
		prepare = prepareHeaders
	}
	t, err := prepare(k, work, progress)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(progress, "building the %s dm-snapshot\n", v.Name)
	module := filepath.Join(work, "module")
	if err := v.write(t.md, module); err != nil {
		return "", err
	}
	if err := t.make("M="+module, "KBUILD_MODPOST_WARN=1", "modules"); err != nil {
		return "", err
	}
	built := filepath.Join(module, Module+".ko")
	return built, quiet(exec.Command("strip", "--strip-debug", built))
}

// write writes the edited sources of the module to dir.
func (v Variant) write(md, dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(md, "*.h"))
	if err != nil {
		return err
	}
	for _, name := range sources {
		files = append(files, filepath.Join(md, name))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o644); err != nil {
			return err
		}
	}
	for _, e := range v.edits {
		if err := e.apply(dir); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "Kbuild"), []byte(kbuild), 0o644)
}
