// Hints: what a user can do about an error or a note. Packages below say what
// is the matter; this table says what to do.

package main

import (
	"errors"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

// hint is what to do where an error wraps about. In a text, NAME is the
// device concerned; where there is none, the text is passed over.
type hint struct {
	about error
	text  string
}

// hints is looked through from the top: the first that fits is shown.
var hints = []hint{
	{dmctl.ErrIncomplete, "`dmsnapctl recover` does the rest"},
	{dmctl.ErrPauseTooLong, "try again"},
	{dmctl.ErrNoGuardian, "try again when the machine has time and memory for one more process"},
	{dmctl.ErrUnfinished, "`dmsnapctl recover` cleans up"},
	{dmctl.ErrLost, "do not rely on what was read; give more room, with --size or a larger COW device"},
	{dmctl.ErrMergeFailed, "`dmsnapctl merge` goes on with it"},
	{dmctl.ErrStillMerging, "`dmsnapctl merge NAME` waits for it and finishes it"},
	{dmctl.ErrMerging, "`dmsnapctl status` shows how far it is, `dmsnapctl merge` waits for it"},
	{dmctl.ErrSuspended, "`dmsnapctl resume NAME` lets its I/O go on, and so does `dmsnapctl recover`"},
	{dmctl.ErrSuspended, "`dmsnapctl resume` or `dmsnapctl recover`"},
	{dmctl.ErrMayBeChanged, "if nothing was, say --origin-unchanged"},
	{dmctl.ErrStoreThere, "`dmsnapctl activate` makes a clone of it"},
	{dmctl.ErrNoLoop, "`modprobe loop` loads the driver"},
	{dmctl.ErrNoStore, "`dmsnapctl create` makes one"},
	{dmctl.ErrStale, "--repair clears them first; --force takes the store as it is"},
	{dmctl.ErrDamaged, "`dmsnapctl verify` says how; --force takes it all the same"},
	{dmctl.ErrForce, "--force does it all the same"},
	{dmctl.ErrPlainFile, "put a loop device on it: losetup -f --show FILE"},
	{dmctl.ErrNotOurs, "that program changes it; `dmsnapctl status NAME` shows it"},
	{dmctl.ErrNotOurs, "that program changes it"},
	{dmctl.ErrNotFound, "see `dmsnapctl list`"},
	{dmctl.ErrExists, "choose another name, or remove that device first"},
	{dmctl.ErrNoDeviceMapper, "`modprobe dm-mod` loads it"},
	{dmctl.ErrNoControlNode, "run as root, where /dev can be written to"},
	{dmctl.ErrWrongControlNode, "remove that file: it is made anew"},
	{dmctl.ErrPermission, "run as root"},
	{dmctl.ErrNoTarget, "`dmsnapctl check --load` has the kernel load its module"},
}

// hintFor is the hint for an error about the device name, "" where there is
// none.
func hintFor(err error, name string) string {
	for _, h := range hints {
		if err == nil || !errors.Is(err, h.about) {
			continue
		}
		if name != "" || !strings.Contains(h.text, "NAME") {
			return strings.ReplaceAll(h.text, "NAME", name)
		}
	}
	return ""
}

// explained is an error in one line, and what to do about it.
func explained(err error) string {
	name := ""
	if of, ok := errors.AsType[*dmctl.Error](err); ok {
		name = of.Name
	}
	return withHint(output.OneLine(err), hintFor(err, name))
}

// noteText is a note of a plan, and what to do about it.
func noteText(n dmctl.Note) string { return withHint(n.Text, hintFor(n.About, n.Name)) }

func withHint(text, hint string) string {
	if hint == "" {
		return text
	}
	return text + " (" + output.Name(hint) + ")"
}
