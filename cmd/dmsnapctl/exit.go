// Exit codes: one table for all commands, and the one switch from an error to
// its code.

package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
)

// The exit codes of every command, with which monitoring plugins agree. exitTable
// says what they mean.
const (
	exitFine        = 0
	exitWarning     = 1
	exitCritical    = 2
	exitUnknown     = 3
	exitUsage       = 64
	exitInterrupted = 130
)

// exitStatus is the error of a command that has printed everything and only sets
// the exit code.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// usageError is a wrong command line.
type usageError struct{ msg string }

func (e *usageError) Error() string { return e.msg }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// exitCodeOf maps what a command returned to the code the process ends with.
func exitCodeOf(err error) int {
	var status exitStatus
	var usage *usageError
	var syntax *table.SyntaxError
	var refused *output.Refusal
	switch {
	case err == nil:
		return exitFine
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &usage), errors.As(err, &refused), errors.Is(err, dmctl.ErrUsage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &syntax), errors.Is(err, verify.ErrDamaged), errors.Is(err, verify.ErrInvalid):
		return exitCritical
	default:
		return exitUnknown
	}
}

// verdictCode is the exit code that goes with a report.
func verdictCode(r *verify.Report) int {
	switch {
	case r.Unreadable() || r.Verdict == verify.Unrecognized || r.Verdict == verify.Unsettled:
		return exitUnknown
	case r.Verdict == verify.Corrupt || r.Verdict == verify.Invalid:
		return exitCritical
	case r.Verdict == verify.Leaked || r.Verdict == verify.Stale || r.Counts[verify.StoreFull] > 0:
		return exitWarning
	default:
		return exitFine
	}
}
