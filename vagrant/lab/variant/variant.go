//go:build linux

// Package variant builds dm-snapshot modules for the lab's kernels that differ
// from the distribution's in one respect. It builds them from the
// distribution's own kernel sources, which it fetches as a package. Only the
// edits are here.
package variant

// From the top down: variant, build, sources, headers, edit, tree.

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
)

// Module is the name of the module, for [lab.Machine].Replace.
const Module = "dm-snapshot"

// Stock is the name of the distribution's own module, which is not a variant.
const Stock = "stock"

// Variant is a dm-snapshot that the lab builds.
type Variant struct {
	Name string
	// Version is the version of its target "snapshot"; empty for that of the
	// distribution.
	Version string
	edits   []edit
}

// leakyVersion is the last version before the fix.
const leakyVersion = "1.11.1"

// Leaky has the space leak.
//
// The fix (commit 230c83afdd9c, "dm snapshot: avoid snapshot space leak on
// crash") made copy_callback hold a copy back until all copies allocated before
// it are complete. The first edit calls every copy the next one in turn, so
// that each is committed when it finishes, as before the fix.
var Leaky = Variant{
	Name:    "leaky",
	Version: leakyVersion,
	edits: []edit{
		{
			file:    "dm-snap.c",
			find:    `if \(pe->exception_sequence == s->exception_complete_sequence\)`,
			replace: "s->exception_complete_sequence = pe->exception_sequence;\n\t${0}",
		},
		versionEdit(leakyVersion),
	},
}

// Mended has remedies for the three findings of docs/crash-findings.md.
var Mended = Variant{
	Name: "mended",
	edits: []edit{
		// When a waiter for the header continues, the header is on disk, and so
		// is everything written before it.
		{
			file:    persistent,
			find:    `return chunk_io\(ps, ps->header_area, 0, REQ_OP_WRITE, 1\);`,
			replace: "return chunk_io(ps, ps->header_area, 0, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 1);",
		},
		// A new store gets its header only after its first area holds zeros.
		{
			file:    persistent,
			find:    `zero_memory_area\(ps\);\s*r = zero_disk_area\(ps, 0\);`,
			replace: "zero_memory_area(ps);",
		},
		{
			file:    persistent,
			find:    `r = write_header\(ps\);`,
			replace: "r = zero_disk_area(ps, 0);\n\t\tif (r)\n\t\t\treturn r;\n\t\t${0}",
		},
		// Records after the terminator of a list are cleared, also on disk,
		// before the list can grow.
		{
			file: persistent,
			find: `memcpy\(ps->area, area, ps->store->chunk_size << SECTOR_SHIFT\);`,
			replace: `{
			size_t behind = (ps->exceptions_per_area - ps->current_committed) * sizeof(struct disk_exception);

			${0}
			area = get_exception(ps, ps->area, ps->current_committed);
			if (!r && memchr_inv(area, 0, behind)) {
				memset(area, 0, behind);
				r = area_io(ps, REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA);
			}
		}`,
		},
	},
}

// persistent is the source file of the persistent store.
const persistent = "dm-snap-persistent.c"

// All are the variants, without [Stock].
var All = []Variant{Leaky, Mended}

// Names returns the names of all variants, [Stock] first.
func Names() []string {
	names := []string{Stock}
	for _, v := range All {
		names = append(names, v.Name)
	}
	return names
}

// Modules returns the replacements for the kernel's modules that give it the
// named snapshot target: none for [Stock].
func Modules(name string, k kernels.Kernel) (map[string]string, error) {
	if name == Stock {
		return nil, nil
	}
	for _, v := range All {
		if v.Name == name {
			file, err := v.Find(k)
			return map[string]string{Module: file}, err
		}
	}
	return nil, fmt.Errorf("unknown variant %q (known: %s)", name, strings.Join(Names(), ", "))
}

// ErrNotBuilt means that the module for this kernel and these edits does not
// exist.
var ErrNotBuilt = errors.New("is not built; run: bin/lab setup -kernels")

// Find returns the file of the module built for k.
func (v Variant) Find(k kernels.Kernel) (string, error) {
	path, err := v.place(k)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the %s dm-snapshot for kernel %s %w %s", v.Name, k.Name, ErrNotBuilt, k.Name)
	}
	return path, nil
}

// Ensure builds the module for k unless it exists, reports progress, and
// returns the file of the module. If several run at once, one builds and the
// others wait for it.
func (v Variant) Ensure(k kernels.Kernel, progress io.Writer) (string, error) {
	path, err := v.place(k)
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := sweep(dir); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(dir, workPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	built, err := v.build(k, work, progress)
	if err != nil {
		return "", fmt.Errorf("build the %s dm-snapshot for kernel %s: %w", v.Name, k.Release, err)
	}
	return path, os.Rename(built, path)
}

// workPrefix begins the names of the directories in which modules are built.
const workPrefix = "build-"

// sweep removes the leftovers of killed builds in dir, which is locked.
func sweep(dir string) error {
	left, err := filepath.Glob(filepath.Join(dir, workPrefix+"*"))
	if err != nil {
		return err
	}
	for _, work := range left {
		if err := os.RemoveAll(work); err != nil {
			return err
		}
	}
	return nil
}

// place returns the path of the module for k. Another release, configuration or
// edit gives another path.
func (v Variant) place(k kernels.Kernel) (string, error) {
	cache, err := lab.CacheDir()
	if err != nil {
		return "", err
	}
	config, err := k.Config()
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n%s\n%v\n", config, kbuild, v.edits)
	key := fmt.Sprintf("%s-%x", k.Release, sum.Sum(nil)[:6])
	return filepath.Join(cache, v.Name, key, Module+".ko"), nil
}

// lock locks the file at path, and waits for others. The kernel releases the
// lock with the process, so a killed build blocks nobody.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return func() { f.Close() }, nil
}
