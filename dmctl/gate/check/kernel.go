package check

// The verdict on one kernel.

import (
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// Source is where the version of a kernel's target "snapshot" was read. Its text
// is part of the JSON.
type Source string

// The sources.
const (
	FromRunning Source = "running" // the running kernel's answer to an ioctl
	FromVersion Source = "version" // the request itself
	FromTargets Source = "targets" // the output of `dmsetup targets` in the request
	FromModule  Source = "module"  // a module's file, a kernel's image, or an initramfs
)

// Kernel is the verdict on one kernel.
type Kernel struct {
	Verdict gate.Verdict `json:"verdict"`
	// Version is the version of the target "snapshot", or nil if it is not
	// known.
	Version *gate.Version `json:"version"`
	Source  Source        `json:"source"`
	// KernelRelease is as in uname -r, or "" if it is not known.
	KernelRelease string `json:"kernel_release"`
	// Rule says in one sentence why the verdict is what it is.
	Rule string `json:"rule"`
	// File is the file with the version, below the root for installed kernels;
	// "" if none.
	File string `json:"file"`
	// BuiltIn reports whether the target is part of the kernel's image, which
	// is File.
	BuiltIn bool `json:"built_in"`
	// Running reports whether the kernel runs, Next whether it boots next.
	Running bool `json:"running"`
	Next    bool `json:"next"`
	// FileSHA256 is the hash of File in hexadecimal, or "" if File was not read
	// to its end.
	FileSHA256 string     `json:"file_sha256"`
	Advisories []Advisory `json:"advisories"`

	// Err is why the version is not known.
	Err error `json:"-"`
}

// Advisory is a known bug, and whether a kernel has it.
type Advisory struct {
	ID      string       `json:"id"`
	Title   string       `json:"title"`
	Applies gate.Applies `json:"applies"`
	Why     string       `json:"why"`
	Trace   string       `json:"trace"`
	Sources []string     `json:"sources"`
}

// Evidence returns what advisories are judged by.
func (k Kernel) Evidence() gate.Evidence {
	return gate.Evidence{Version: k.Version, Release: k.KernelRelease}
}

// judge fills in the verdict on version, or why there is none.
func (k *Kernel) judge(version gate.Version, err error) {
	if err != nil {
		k.Rule, k.Err = oneLine(err), err
		return
	}
	k.Version = &version
	k.Verdict, k.Rule = gate.Judge(version)
}

func advisoriesOf(e gate.Evidence) (all []Advisory) {
	for _, a := range gate.Advisories() {
		applies, why := a.Applies(e)
		all = append(all, Advisory{a.ID, a.Title, applies, why, a.Trace, a.Sources})
	}
	return all
}

// oneLine returns an error as one line.
func oneLine(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
