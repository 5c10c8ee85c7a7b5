// Package gate knows which versions of the kernel's snapshot target have the
// fix for the space leak on a crash, and why.
//
// It is pure: versions in, verdicts out. It must not know where a version comes
// from (the running kernel, a module file, dmsetup's output).
package gate

// From the top down: advisory, verdict, targets, release, version.
