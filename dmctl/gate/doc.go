// Package gate knows which versions of the kernel's snapshot target carry the
// fix for the space leak on a crash, and why.
//
// It is pure: versions in, verdicts out. How a version is found out (from the
// running kernel, a module file, dmsetup's output) is the caller's business.
//
// From the top down: advisory, verdict, targets, release, version.
package gate
