//go:build !linux

package installed

// The running kernel: on other systems there is none to judge.

// RunningRelease returns "": this system has no Linux kernel.
func RunningRelease() string { return "" }
