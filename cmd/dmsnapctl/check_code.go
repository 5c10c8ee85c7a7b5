// What the gate's verdicts mean as exit codes.

package main

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
)

// kernelCode is the exit code for a kernel: that of the verdict, or of the
// advisory if the question is about one.
func kernelCode(k check.Kernel, about *gate.Advisory) int {
	if about == nil {
		return gateCode(k.Verdict)
	}
	switch applies, _ := about.Applies(k.Evidence()); applies {
	case gate.DoesNotApply:
		return exitFine
	case gate.DoesApply:
		return exitWarning
	default:
		return exitUnknown
	}
}

// gateCode is the exit code that goes with a verdict.
func gateCode(v gate.Verdict) int {
	switch v {
	case gate.Fixed:
		return exitFine
	case gate.Leaky:
		return exitWarning
	default:
		return exitUnknown
	}
}

// worseCode returns the worse of two codes: a kernel that is known to leak
// comes before one about which nothing is known.
func worseCode(a, b int) int {
	if a == exitWarning || b == exitFine {
		return a
	}
	return b
}

// code is the exit code for all kernels: that of the worst one.
func (a checkAnswer) code() int {
	if len(a.Kernels) == 0 {
		return exitUnknown
	}
	code := exitFine
	for _, k := range a.Kernels {
		code = worseCode(code, kernelCode(k, a.advisory))
	}
	return code
}
