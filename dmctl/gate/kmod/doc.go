// Package kmod reads the version of the target "snapshot" from kernel modules
// and kernel images that are installed but not running. It must not know where
// they are installed or what a version means.
//
// The version is in a struct target_type (include/linux/device-mapper.h of the
// kernel). The structure is found by its pointers, never by a trusted offset: a
// pointer to the name "snapshot", followed by the pointer to the module, three
// version numbers, and pointers to the target's functions. If that is
// ambiguous, there is an error and no guess.
//
// Files are never trusted: every length is checked against the file before it
// is used, decompression is bounded, and the work is linear in the file's size.
package kmod

// From the top down: image, module, linked, relocation, elf, shape.

import "errors"

// ErrNoTarget means that a module or image has no target "snapshot".
var ErrNoTarget = errors.New(`no target "snapshot" in it`)

// errAmbiguous means that several structures match, and differ.
var errAmbiguous = errors.New(`several different targets "snapshot" in it`)
