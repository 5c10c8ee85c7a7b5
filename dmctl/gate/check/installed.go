package check

// Kernels on disk.

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/boot"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// ErrNotNext means that it is not known which kernel boots next.
var ErrNotNext = errors.New("no installed kernel is known to boot next")

func (r Request) root() string {
	if r.Root == "" {
		return "/"
	}
	return r.Root
}

// open opens the system below the root.
func (r Request) open() (*tree.Tree, error) {
	files, err := tree.Open(r.root())
	if err == nil {
		files.Opened = r.opened
	}
	return files, err
}

// runningFromRoot returns the release of the kernel that runs from r's root, or
// "" for another system.
func (r Request) runningFromRoot() string {
	if filepath.Clean(r.root()) == "/" {
		return installed.RunningRelease()
	}
	return ""
}

// below names the root that an error is about.
func (r Request) below(err error) error {
	return fmt.Errorf("%s: %w", strings.TrimSuffix(r.root(), "/")+"/", err)
}

func (r Request) installed(release string) Kernel {
	found, err := func() (installed.Kernel, error) {
		files, err := r.open()
		if err != nil {
			return installed.Kernel{}, err
		}
		defer func() { _ = files.Close() }()
		return installed.Judge(files, release)
	}()
	if errors.Is(err, installed.ErrNoKernels) {
		err = r.below(err)
	}
	found.Release = release
	k := fromInstalled(found, err)
	k.Running = release == r.runningFromRoot()
	return k
}

func (r Request) scan(how func(*tree.Tree, string) (installed.Machine, error)) (installed.Machine, error) {
	files, err := r.open()
	if err != nil {
		return installed.Machine{}, err
	}
	defer func() { _ = files.Close() }()
	machine, err := how(files, r.runningFromRoot())
	if err != nil {
		err = r.below(err)
	}
	return machine, err
}

func (r Request) all() Result {
	machine, err := r.scan(installed.Scan)
	result := Result{NextWhy: machine.NextWhy, NextEvidence: machine.NextEvidence, Err: err}
	for _, found := range machine.Kernels {
		result.Kernels = append(result.Kernels, fromInstalled(found, nil))
	}
	return result
}

// next judges the kernel that boots next. A guess is not an answer: then
// nothing but the kernel's name is reported.
func (r Request) next() Result {
	machine, err := r.scan(installed.ScanNext)
	result := Result{NextWhy: machine.NextWhy, NextEvidence: machine.NextEvidence}
	next, found := machine.Next()
	switch {
	case found && machine.NextEvidence != boot.Guessed:
		result.Kernels = []Kernel{fromInstalled(next, nil)}
		return result
	case found:
		err = fmt.Errorf("%w: %s, %s, would be a guess (it is %v)", ErrNotNext, machine.NextWhy, next.Release, next.Verdict)
	case err == nil:
		err = fmt.Errorf("%w: %s", ErrNotNext, machine.NextWhy)
	}
	k := Kernel{Source: FromModule}
	k.judge(gate.Version{}, err)
	result.Kernels = []Kernel{k}
	return result
}

func fromInstalled(found installed.Kernel, err error) Kernel {
	k := Kernel{
		Verdict: found.Verdict, Source: FromModule, KernelRelease: found.Release, Rule: found.Rule,
		File: found.File, FileSHA256: found.FileSHA256, BuiltIn: found.BuiltIn, Running: found.Running, Next: found.Next, Err: err,
	}
	switch {
	case found.Verdict != gate.Unknown:
		k.Version = &found.Version
	case err == nil:
		k.Err = fmt.Errorf("kernel %s: %s", found.Release, found.Rule)
	default:
		k.Rule = oneLine(err)
	}
	return k
}
