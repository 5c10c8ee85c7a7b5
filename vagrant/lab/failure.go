// Why a machine ended without an exit status from its program.

//go:build linux

package lab

import (
	"errors"
	"fmt"
	"strings"
)

// The kinds of [Failure], which it unwraps to.
var (
	ErrBoot    = errors.New("the machine never ran its program")
	ErrPanic   = errors.New("the kernel panicked")
	ErrTimeout = errors.New("the machine was stopped at its time limit")
	ErrCrashed = errors.New("the machine was crashed on purpose")
)

// Failure is the end of a machine without an exit status from its program.
type Failure struct {
	// Kind is one of [ErrBoot], [ErrPanic], [ErrTimeout] and [ErrCrashed].
	Kind error
	// Reason is one line of detail; it may be empty.
	Reason string
	// Console is the end of the kernel's messages.
	Console string
}

func (f *Failure) Error() string {
	if f.Reason == "" {
		return f.Kind.Error()
	}
	return fmt.Sprintf("%v: %s", f.Kind, f.Reason)
}

func (f *Failure) Unwrap() error { return f.Kind }

// panicMark begins the kernel's message when it panics (kernel/panic.c).
const panicMark = "Kernel panic - not syncing"

// whereMark begins the line that says where the kernel was
// (arch/x86/kernel/dumpstack.c).
const whereMark = "RIP: "

// guestMark begins messages of the guest's first process on the console. It
// uses the console when it cannot report otherwise.
const guestMark = "guest: "

// fileServerMark begins the message of QEMU's file server when a machine has
// ended.
const fileServerMark = "virtio_loop: "

// diagnose finds out from the console why the kernel ended by itself.
func diagnose(console string) *Failure {
	if line := lineWith(console, panicMark); line != "" {
		if where := lineWith(console, whereMark); where != "" {
			line += ", " + where
		}
		return &Failure{Kind: ErrPanic, Reason: line, Console: console}
	}
	reason := lineWith(console, guestMark)
	if reason == "" {
		for line := range strings.Lines(console) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, fileServerMark) {
				reason = line // the last one
			}
		}
	}
	if reason == "" {
		reason = "it said nothing on its console"
	}
	return &Failure{Kind: ErrBoot, Reason: reason, Console: console}
}

// lineWith returns the first line of text with mark in it, from there on.
func lineWith(text, mark string) string {
	_, after, found := strings.Cut(text, mark)
	if !found {
		return ""
	}
	line, _, _ := strings.Cut(after, "\n")
	return mark + strings.TrimSpace(line)
}
