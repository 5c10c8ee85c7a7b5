// The command check: where the kernels and versions come from that it judges.

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// Values of the field "source".
const (
	sourceRunning = "running"
	sourceVersion = "version"
	sourceTargets = "targets"
	sourceModule  = "module"
)

// kernelResult is the verdict on one kernel, as JSON has it.
type kernelResult struct {
	Verdict       gate.Verdict     `json:"verdict"`
	Version       *gate.Version    `json:"version"` // null where it is unknown
	Source        string           `json:"source"`
	KernelRelease string           `json:"kernel_release"`
	Rule          string           `json:"rule"`
	File          string           `json:"file"`
	BuiltIn       bool             `json:"built_in"`
	Running       bool             `json:"running"`
	Next          bool             `json:"next"`
	Advisories    []advisoryResult `json:"advisories"`

	err error // why nothing is known
}

// advisoryResult says whether a known bug applies: null, it cannot be told.
type advisoryResult struct {
	ID      string       `json:"id"`
	Title   string       `json:"title"`
	Applies gate.Applies `json:"applies"`
	Why     string       `json:"why"`
	Trace   string       `json:"trace"`
	Sources []string     `json:"sources"`
}

// checkResult is all that check has to say.
type checkResult struct {
	Schema   string
	Verdict  gate.Verdict
	Kernels  []kernelResult
	NextWhy  string
	advisory *gate.Advisory
	many     bool // all kernels were asked for
	code     int
	err      error // why there are no kernels
}

func (k kernelResult) evidence() gate.Evidence {
	return gate.Evidence{Version: k.Version, Release: k.KernelRelease}
}

// judge fills in the verdict on version, or why there is none.
func (k *kernelResult) judge(version gate.Version, err error) {
	if err != nil {
		k.Rule, k.err = explained(err), err
		return
	}
	k.Version = &version
	k.Verdict, k.Rule = gate.Judge(version)
}

// check finds the kernels that r asks for and judges them.
func (r checkRequest) check(stdin io.Reader) checkResult {
	result := checkResult{many: r.source == "all-kernels", advisory: r.advisory}
	switch r.source {
	case "all-kernels", "next":
		result.Kernels, result.NextWhy, result.err = r.scan()
	default:
		result.Kernels = []kernelResult{r.one(stdin)}
	}
	if result.err != nil && !result.many {
		result.Kernels = []kernelResult{{Source: sourceModule}}
		result.Kernels[0].judge(gate.Version{}, result.err)
		result.err = nil
	}
	result.code = exitUnknown
	verdicts := make([]gate.Verdict, len(result.Kernels))
	for i := range result.Kernels {
		k := &result.Kernels[i]
		k.Advisories = advisoriesOf(k.evidence())
		verdicts[i] = k.Verdict
		if code := kernelCode(*k, r.advisory); i == 0 {
			result.code = code
		} else {
			result.code = worseCode(result.code, code)
		}
	}
	result.Verdict = gate.Worst(verdicts...)
	return result
}

func advisoriesOf(e gate.Evidence) (all []advisoryResult) {
	for _, a := range gate.Advisories() {
		applies, why := a.Applies(e)
		all = append(all, advisoryResult{a.ID, a.Title, applies, why, a.Trace, a.Sources})
	}
	return all
}

// one judges the one thing that r names.
func (r checkRequest) one(stdin io.Reader) (k kernelResult) {
	switch r.source {
	case "target-version":
		k.Source = sourceVersion
		k.judge(r.version, nil)
	case "targets":
		k.Source = sourceTargets
		k.judge(versionInTargets(r.value, stdin))
	case "module":
		k.Source, k.File = sourceModule, r.value
		m, err := readModule(r.value)
		k.KernelRelease = m.Release
		k.judge(m.Version, err)
	case "kernel":
		return r.installedKernel(r.value)
	default:
		return r.runningKernel()
	}
	return k
}

func versionInTargets(path string, stdin io.Reader) (gate.Version, error) {
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return gate.Version{}, err
		}
		defer f.Close()
		stdin = f
	}
	targets, err := gate.ParseTargets(stdin)
	if err != nil {
		return gate.Version{}, err
	}
	v, ok := targets[gate.SnapshotTarget]
	if !ok {
		return gate.Version{}, gate.ErrNotRegistered
	}
	return v, nil
}

func readModule(path string) (kmod.Module, error) {
	f, err := os.Open(path)
	if err != nil {
		return kmod.Module{}, err
	}
	defer f.Close()
	m, err := kmod.ReadModule(f)
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return m, err
}

// runningKernel asks the kernel.
func (r checkRequest) runningKernel() kernelResult {
	v, err := askKernel(r.load)
	return r.judgeRunning(installed.RunningRelease(), v, err)
}

// judgeRunning judges what the running kernel answered. Where the target is
// not registered, its module is judged as it would be loaded, which loads
// nothing.
func (r checkRequest) judgeRunning(release string, v gate.Version, err error) kernelResult {
	k := kernelResult{Source: sourceRunning, KernelRelease: release, Running: true}
	if errors.Is(err, dmctl.ErrNoTarget) && r.load {
		err = fmt.Errorf("%w; the kernel could not load it", err)
	} else if errors.Is(err, dmctl.ErrNoTarget) {
		onDisk := r.installedKernel(release)
		if onDisk.err == nil {
			onDisk.Rule += " (not loaded; this is its module)"
			onDisk.Running = true
			return onDisk
		}
		err = fmt.Errorf("%w; or let this command load it: --load (its module was not judged: %s)", err, onDisk.Rule)
	}
	if errors.Is(err, dmctl.ErrNoDeviceMapper) && release != "" {
		err = fmt.Errorf("%w; %s", err, r.whyNoDeviceMapper(release))
	}
	k.judge(v, err)
	return k
}

func (r checkRequest) whyNoDeviceMapper(release string) string {
	tree, err := installed.OpenTree(r.root)
	if err != nil {
		return oneLine(err)
	}
	defer tree.Close()
	return installed.WhyNoDeviceMapper(tree, release)
}

func askKernel(load bool) (gate.Version, error) {
	ctl, err := dmctl.Open()
	if err != nil {
		return gate.Version{}, err
	}
	defer ctl.Close() // it was read from only; there is nothing to lose
	return ctl.TargetVersion(gate.SnapshotTarget, load)
}

// running is the release of the kernel that runs from r's root.
func (r checkRequest) running() string {
	if filepath.Clean(r.root) == "/" {
		return installed.RunningRelease()
	}
	return ""
}

func (r checkRequest) installedKernel(release string) kernelResult {
	found, err := func() (installed.Kernel, error) {
		tree, err := installed.OpenTree(r.root)
		if err != nil {
			return installed.Kernel{}, err
		}
		defer tree.Close()
		return installed.Judge(tree, release)
	}()
	found.Release = release
	k := fromInstalled(found, err)
	k.Running = release == r.running()
	return k
}

// scan judges all kernels below r's root, or the next one alone.
func (r checkRequest) scan() (kernels []kernelResult, nextWhy string, err error) {
	tree, err := installed.OpenTree(r.root)
	if err != nil {
		return nil, "", err
	}
	defer tree.Close()
	machine, err := installed.Scan(tree, r.running())
	if err != nil {
		return nil, "", fmt.Errorf("%s: %w", strings.TrimSuffix(r.root, "/")+"/", err)
	}
	for _, found := range machine.Kernels {
		if found.Next || !r.next {
			kernels = append(kernels, fromInstalled(found, nil))
		}
	}
	if len(kernels) == 0 {
		return nil, "", fmt.Errorf("%w: %s", errNotNext, machine.NextWhy)
	}
	return kernels, machine.NextWhy, nil
}

func fromInstalled(found installed.Kernel, err error) kernelResult {
	k := kernelResult{
		Verdict: found.Verdict, Source: sourceModule, KernelRelease: found.Release, Rule: printable(found.Rule),
		File: found.File, BuiltIn: found.BuiltIn, Running: found.Running, Next: found.Next, err: err,
	}
	if found.Verdict != gate.Unknown {
		k.Version = &found.Version
	} else if err == nil {
		k.err = fmt.Errorf("kernel %s: %s", found.Release, found.Rule)
	} else {
		k.Rule = explained(err)
	}
	return k
}
