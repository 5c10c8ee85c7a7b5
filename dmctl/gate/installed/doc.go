// Package installed finds the kernels installed below a root directory, judges
// each by the target "snapshot" it would register, and finds out which one
// boots next.
//
// It only reads files, and only below the root: a symbolic link that points out
// of it, as links of a mounted system do, is followed within it. It knows where
// distributions and boot loaders keep things. It must not know what a version
// means (package gate) or how one is read from a file (package kmod).
package installed

// From the top down: kernel, judge, absent, initrd, unified, fit,
// search, system, running.
