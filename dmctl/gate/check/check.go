// Package check answers one question: does a kernel's snapshot target have the
// leak fix, and which other known bugs concern it? The kernel may run, be
// installed, boot next, or be known by a version or a module alone.
//
// It connects the parts of gate. It does not know who asks: it has no flags,
// prints nothing and computes no exit codes.
package check

// From the top down: check, running, installed, kernel.

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/boot"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
)

// Subject is what a request asks about.
type Subject uint8

const (
	// Running is the running kernel.
	Running Subject = iota
	// Version is a version of the target "snapshot".
	Version
	// Targets is the output of `dmsetup targets`.
	Targets
	// Module is the file of a kernel module.
	Module
	// Installed is an installed kernel, by its release.
	Installed
	// AllInstalled is all installed kernels.
	AllInstalled
	// NextBoot is the installed kernel that boots next.
	NextBoot
)

// Request is a question. The zero value asks for the running kernel.
type Request struct {
	Subject Subject

	Version gate.Version // for Version
	Targets io.Reader    // for Targets
	Module  string       // for Module: a path
	Release string       // for Installed: as in uname -r

	// Root is the root directory of the system with the installed kernels; ""
	// is the running system. If the running kernel has not loaded its module,
	// it is searched for there too.
	Root string
	// Load makes the running kernel load the target's module if it is not
	// loaded.
	Load bool
	// Ask returns the version of the running kernel's target "snapshot". If
	// nil, device mapper is asked. The error for a missing target is
	// dmctl.ErrNoTarget.
	Ask func(load bool) (gate.Version, error)

	opened func(fs.FileInfo) // told of each file below Root that is read, by several goroutines
}

// Result is the answer to a Request, with a record of when and where it was
// given.
type Result struct {
	// Host is the name of the machine that answered, Time when it did, and Root
	// the root directory of the system.
	Host string
	Time time.Time
	Root string
	// Verdict is the worst of all kernels' verdicts.
	Verdict gate.Verdict
	// Kernels are the kernels asked about, newest first: exactly one unless all
	// were asked about.
	Kernels []Kernel
	// NextWhy says in one sentence how the next kernel to boot was found; "" if
	// that was not asked.
	NextWhy string
	// NextEvidence says what that rests on: boot.None if it was not asked or is
	// not known.
	NextEvidence boot.Evidence
	// Read are the files below Root that were read. A caller that stores the
	// answer must not put it in the place of one of them.
	Read []fs.FileInfo
	// Err is why there are no kernels.
	Err error
}

// Run answers a request. An unknown version is not an error: the verdict is
// unknown, and the kernel's Rule and Err say why.
func Run(r Request) Result {
	var result Result
	var reading sync.Mutex
	var read []fs.FileInfo
	r.opened = func(f fs.FileInfo) {
		reading.Lock()
		defer reading.Unlock()
		read = append(read, f)
	}
	switch r.Subject {
	case AllInstalled:
		result = r.all()
	case NextBoot:
		result = r.next()
	default:
		result.Kernels = []Kernel{r.one()}
	}
	result.Read = read
	result.Host, _ = os.Hostname()
	result.Time, result.Root = time.Now(), r.root()
	verdicts := make([]gate.Verdict, len(result.Kernels))
	for i := range result.Kernels {
		k := &result.Kernels[i]
		k.Advisories = advisoriesOf(k.Evidence())
		verdicts[i] = k.Verdict
	}
	result.Verdict = gate.Worst(verdicts...)
	return result
}

// one judges the one kernel that r names.
func (r Request) one() (k Kernel) {
	switch r.Subject {
	case Version:
		k.Source = FromVersion
		k.judge(r.Version, nil)
	case Targets:
		k.Source = FromTargets
		k.judge(versionInTargets(r.Targets))
	case Module:
		k.Source, k.File = FromModule, r.Module
		m, sum, err := readModule(r.Module)
		k.KernelRelease, k.FileSHA256 = m.Release, sum
		k.judge(m.Version, err)
	case Installed:
		return r.installed(r.Release)
	default:
		return r.running()
	}
	return k
}

func versionInTargets(list io.Reader) (gate.Version, error) {
	targets, err := gate.ParseTargets(list)
	if err != nil {
		return gate.Version{}, err
	}
	v, ok := targets[gate.SnapshotTarget]
	if !ok {
		return gate.Version{}, gate.ErrNotRegistered
	}
	return v, nil
}

// readModule reads a module and returns the hash of its file.
func readModule(path string) (m kmod.Module, sum string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return kmod.Module{}, "", err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if m, err = kmod.ReadModule(io.TeeReader(f, hash)); err != nil {
		return m, "", fmt.Errorf("%s: %w", path, err)
	}
	return m, hex.EncodeToString(hash.Sum(nil)), nil
}
