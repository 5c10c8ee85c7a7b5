// Package installed finds the kernels that are installed under a root
// directory, judges each by the target "snapshot" it would register, and
// tells which one the machine boots next.
//
// It only reads files, and only below the root: a symbolic link that points
// out of it, as links of a mounted system do, is followed within it. It knows
// where distributions and boot loaders keep things; what a version means is
// package gate's business, and how it is read out of a file package kmod's.
//
// From top to bottom: kernel, initrd, judge, fit, absent, search, system.
//
// From the top down: kernel, judge, absent, initrd, fit, search, system,
// running.
package installed
