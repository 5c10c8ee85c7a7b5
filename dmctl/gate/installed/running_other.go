//go:build !linux

package installed

// The kernel that runs: elsewhere there is none of interest.

// RunningRelease returns "": this system has no Linux kernel.
func RunningRelease() string { return "" }
