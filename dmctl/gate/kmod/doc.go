// Package kmod reads the version of the target "snapshot" out of kernel
// modules and kernel images that are installed but not running.
//
// The version stands in a struct target_type (include/linux/device-mapper.h
// of the kernel). The structure is found by what points at what, never by a
// trusted offset: a pointer to the name "snapshot", behind it the pointer to
// the module, three version numbers, and pointers to the target's functions.
// Where that does not come out unambiguously there is an error, no guess.
//
// Files are never believed: every length is checked against the file before
// it is used, decompression is bounded, and the work is linear in the file's
// size.
//
// From the top down: image, module, linked, relocation, elf, shape.
package kmod

import "errors"

// ErrNoTarget says that a module or image holds no target "snapshot".
var ErrNoTarget = errors.New(`no target "snapshot" in it`)

// errAmbiguous says that several structures would do, and differ.
var errAmbiguous = errors.New(`several different targets "snapshot" in it`)
