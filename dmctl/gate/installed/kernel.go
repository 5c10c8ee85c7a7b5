package installed

// The kernels below a root, and the verdict on each.

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/boot"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// Machine is all kernels below a root, newest first.
type Machine struct {
	Kernels []Kernel
	// NextWhy says in one sentence how the next kernel to boot was found, and
	// NextEvidence what that rests on.
	NextWhy      string
	NextEvidence boot.Evidence
}

// Verdict is the worst verdict on any of the kernels.
func (m Machine) Verdict() gate.Verdict {
	verdicts := make([]gate.Verdict, len(m.Kernels))
	for i, k := range m.Kernels {
		verdicts[i] = k.Verdict
	}
	return gate.Worst(verdicts...)
}

// Next returns the kernel that boots next; ok is false if it is not among them.
func (m Machine) Next() (k Kernel, ok bool) {
	for _, k := range m.Kernels {
		if k.Next {
			return k, true
		}
	}
	return Kernel{}, false
}

// ErrNoKernels means that there is no kernel below a root.
var ErrNoKernels = errors.New("no kernels in lib/modules or usr/lib/modules")

// maxWorkers bounds how many kernels are read at once. Reading is mostly
// unpacking, which several processors share. A module takes a few MiB; images
// are read one at a time.
const maxWorkers = 4

// Scan finds and judges all kernels of a tree. running is the release of the
// kernel that runs from it, "" if none does.
func Scan(files *tree.Tree, running string) (Machine, error) {
	return scan(files, running, false)
}

// ScanNext is Scan for the kernel that boots next: the machine has no other, and
// others are not read. It has none if it is not known which boots next.
func ScanNext(files *tree.Tree, running string) (Machine, error) {
	return scan(files, running, true)
}

func scan(files *tree.Tree, running string, onlyNext bool) (Machine, error) {
	t := &system{Tree: files}
	releases, err := t.releases()
	if err != nil {
		return Machine{}, err
	}
	if len(releases) == 0 {
		return Machine{}, ErrNoKernels
	}
	next := boot.Find(files, releases)
	if onlyNext {
		releases = slices.DeleteFunc(releases, func(release string) bool { return release != next.Release })
	}
	m := Machine{Kernels: make([]Kernel, len(releases)), NextWhy: next.Why, NextEvidence: next.Evidence}
	var workers sync.WaitGroup
	slots := make(chan struct{}, min(runtime.GOMAXPROCS(0), maxWorkers))
	for i, release := range releases {
		slots <- struct{}{}
		workers.Go(func() {
			defer func() { <-slots }()
			var initrds []string
			if release == next.Release {
				initrds = next.Initrds
			}
			k := t.judge(release, initrds)
			k.Running, k.Next = release == running, release == next.Release
			m.Kernels[i] = k
		})
	}
	workers.Wait()
	return m, nil
}

// Judge returns the verdict on one kernel of a tree. If the kernel is there but
// cannot be read, that is not an error: its verdict is unknown, and Rule says
// why.
func Judge(files *tree.Tree, release string) (Kernel, error) {
	t := &system{Tree: files}
	releases, err := t.releases()
	if err != nil {
		return Kernel{}, err
	}
	if !slices.Contains(releases, release) {
		if len(releases) == 0 {
			return Kernel{}, fmt.Errorf("kernel %s: %w", release, ErrNoKernels)
		}
		return Kernel{}, fmt.Errorf("kernel %s is not installed; there are: %s", release, strings.Join(releases, ", "))
	}
	return t.judge(release, nil), nil
}

// releases returns the releases of all kernels, newest first.
func (t *system) releases() (releases []string, err error) {
	for _, dir := range moduleDirectories {
		entries, err := t.List(dir)
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			name := e.Name()
			if strings.ContainsFunc(name, unicode.IsControl) {
				continue // not a kernel's, and could control a terminal
			}
			if !slices.Contains(releases, name) && t.isKernel(name) {
				releases = append(releases, name)
			}
		}
	}
	slices.SortFunc(releases, func(a, b string) int { return gate.CompareReleases(b, a) })
	return releases, nil
}

// isKernel distinguishes a kernel's directory from what a removed one left
// behind: nothing, or modules of others that were built on the machine. A
// directory that cannot be read counts as a kernel's, of unknown version.
func (t *system) isKernel(release string) bool {
	for _, dir := range t.directoriesOf(release) {
		for _, name := range []string{"kernel", "modules.dep", "modules.builtin"} {
			if t.Exists(path.Join(dir, name)) {
				return true
			}
		}
		if file, err := t.searchModule(dir); file != "" || err != nil {
			return true
		}
	}
	return slices.ContainsFunc(imagesOf(release), t.Exists)
}
