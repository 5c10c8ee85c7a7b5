// Hints: what a user can do about an error or a note. Packages below say what is
// wrong; this table says what to do.

package main

import (
	"errors"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/kmod"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// hint is what to do about an error that wraps about. NAME in the text stands for
// the device; without a device the hint is skipped.
type hint struct {
	about error
	text  string
}

// hints is searched from the top; the first match is shown.
var hints = []hint{
	{dmctl.ErrIncomplete, "`dmsnapctl recover` finishes it"},
	{dmctl.ErrPauseTooLong, "try again"},
	{dmctl.ErrNoGuardian, "try again when the machine is less busy or has more free memory"},
	{dmctl.ErrUnfinished, "`dmsnapctl recover` cleans up"},
	{dmctl.ErrLost, "do not trust what was read; give more room with --size or a larger COW device"},
	{mend.ErrAgain, "run it again to finish"},
	{mend.ErrOtherUndo, "name another file with --undo"},
	{verify.ErrHeaderLost, "`dmsnapctl repair` rewrites the header; if the store is not needed, zero 4 KiB at that byte"},
	{dmctl.ErrMergeFailed, "see dmesg; `dmsnapctl merge` continues it"},
	{dmctl.ErrMergeUnrecorded, "take the devices down, as a reboot does, then activate the store and merge it"},
	{dmctl.ErrStillMerging, "`dmsnapctl merge NAME` waits for it and finishes it"},
	{dmctl.ErrMerging, "`dmsnapctl status` shows its progress, `dmsnapctl merge` waits for it"},
	{dmctl.ErrSuspended, "`dmsnapctl resume NAME` or `dmsnapctl recover` continues its I/O"},
	{dmctl.ErrSuspended, "`dmsnapctl resume` or `dmsnapctl recover` continues its I/O"},
	{dmctl.ErrMayBeChanged, "if it was not, add --origin-unchanged"},
	{dmctl.ErrStoreThere, "`dmsnapctl activate` makes its clone again"},
	{dmctl.ErrNoLoop, "`modprobe loop` loads the driver"},
	{dmctl.ErrNoStore, "`dmsnapctl create` makes one"},
	{dmctl.ErrStale, "--repair clears them first; --force uses the store as it is"},
	{dmctl.ErrUnread, "see `dmsnapctl verify`; --force uses it anyway"},
	{dmctl.ErrDamaged, "see `dmsnapctl verify`; --force uses it anyway"},
	{dmctl.ErrNoStoreFile, "grow its COW device first, then run `dmsnapctl grow NAME`"},
	{dmctl.ErrMounted, "unmount it until the merge has begun; --force does it anyway"},
	{dmctl.ErrForce, "--force does it anyway"},
	{dmctl.ErrPlainFile, "put a loop device on it: losetup -f --show FILE"},
	{dmctl.ErrNotOurs, "use that program to change it; `dmsnapctl status NAME` shows it"},
	{dmctl.ErrNotOurs, "use that program to change it"},
	{dmctl.ErrStorePlace, "name a directory with --store-dir"},
	{dmctl.ErrNoSpare, "remove the clone and make it again"},
	{dmctl.ErrOneDevice, "name another device for the store"},
	{dmctl.ErrVolumeCOW, "leave --cow out"},
	{dmctl.ErrNoCOW, "name a device with --cow, or a directory with --store-dir"},
	{dmctl.ErrNotMountable, "leave --mount out"},
	{dmctl.ErrMountTaken, "unmount it, or mount elsewhere"},
	{dmctl.ErrCOWInUse, "end that, or name another one"},
	{dmctl.ErrReserved, "choose another one"},
	{dmctl.ErrNodeTaken, "remove it, or choose another name"},
	{dmctl.ErrNotFound, "see `dmsnapctl list`"},
	{dmctl.ErrExists, "choose another name, or remove that device first"},
	{installed.ErrNotLoaded, "`modprobe dm-mod` loads it"},
	{dmctl.ErrNoDeviceMapper, "`dmsnapctl check` says whether there is a module to load"},
	{dmctl.ErrNoControlNode, "run as root, with a writable /dev"},
	{dmctl.ErrWrongControlNode, "remove that file: it is created again"},
	{dmctl.ErrPermission, "run as root"},
	{dmctl.ErrNoTarget, "`dmsnapctl check --load` loads its module"},
	{gate.ErrNotRegistered, "load the module dm-snapshot first"},
	{kmod.ErrStripped, "use the module as its package has it"},
	{dmctl.ErrLocked, "try again when it is done"},
	{dmctl.ErrOpen, "`fuser -v /dev/mapper/NAME` shows by what; end that first"},
	{dmctl.ErrBusy, "end that first"},
}

// hintFor is the hint for an error about the device name, "" for none.
func hintFor(err error, name string) string {
	for _, h := range hints {
		if err == nil || !errors.Is(err, h.about) {
			continue
		}
		if name != "" || !strings.Contains(h.text, "NAME") {
			return strings.ReplaceAll(h.text, "NAME", shellWord(name))
		}
	}
	return ""
}

// explained is an error in one line, with its hint.
func explained(err error) string {
	name := ""
	if of, ok := errors.AsType[*dmctl.Error](err); ok {
		name = of.Name
	}
	return withHint(plainly(err, output.OneLine(err)), hintFor(err, name))
}

// noteText is a note of a plan, with its hint.
func noteText(n dmctl.Note) string { return withHint(n.Text, hintFor(n.About, n.Name)) }

// withHint puts the hint in brackets after the text, into those at its end if it
// has some.
func withHint(text, hint string) string {
	if hint == "" {
		return text
	}
	if inner, ok := strings.CutSuffix(text, ")"); ok && strings.Contains(inner, " (") {
		return inner + "; " + output.Name(hint) + ")"
	}
	return text + " (" + output.Name(hint) + ")"
}
