package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// What a user reads in an error: what is wrong, then what to do.
func TestHints(t *testing.T) {
	on := func(name string, err error) error { return &dmctl.Error{Op: "merge", Name: name, Err: err} }
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("disk on fire"), "disk on fire"},
		{on("snap", dmctl.ErrNotFound), "merge snap: no snapshot of this name (see `dmsnapctl list`)"},
		{on("snap", dmctl.ErrNotOurs), "merge snap: the snapshot was made by another program (use that program to change it; `dmsnapctl status snap` shows it)"},
		{&dmctl.Error{Op: "grow", Name: "live-rw", Err: errors.Join(dmctl.ErrNotOurs, dmctl.ErrForce)}, "grow live-rw: the snapshot was made by another program; refused unless forced (--force does it anyway)"},
		{on("snap", fmt.Errorf("%w (%w)", dmctl.ErrStillMerging, errors.New("interrupted"))), "merge snap: the merge continues in the kernel (interrupted; `dmsnapctl merge snap` waits for it and finishes it)"},
		{on("snap", dmctl.ErrMergeFailed), "merge snap: the kernel stopped the merge at an I/O error (see dmesg; `dmsnapctl merge` continues it)"},
		{on("snap", dmctl.ErrSuspended), "merge snap: the device is suspended (`dmsnapctl resume snap` or `dmsnapctl recover` continues its I/O)"},
		{fmt.Errorf("vol: %w", dmctl.ErrSuspended), "vol: the device is suspended (`dmsnapctl resume` or `dmsnapctl recover` continues its I/O)"},
		{on("snap", dmctl.ErrMayBeChanged), "merge snap: the origin may be changed (if it was not, add --origin-unchanged)"},
		{on("a\x1b[2Jb", dmctl.ErrSuspended), "merge a\\x1b[2Jb: the device is suspended (`dmsnapctl resume $'a\\033[2Jb'` or `dmsnapctl recover` continues its I/O)"},
		{fmt.Errorf("open f(x): %w", dmctl.ErrNoControlNode), "open f(x): " + dmctl.ErrNoControlNode.Error() + " (run as root, with a writable /dev)"},
		// Its kernel may have been built without device mapper.
		{dmctl.ErrNoDeviceMapper, "the kernel has no device mapper, or has not loaded it (`dmsnapctl check` says whether there is a module to load)"},
		{on("snap", dmctl.ErrOpen), "merge snap: it is open by a program (`fuser -v /dev/mapper/snap` shows by what; end that first)"},
		{on("snap", fmt.Errorf("it is mounted: %w", dmctl.ErrBusy)), "merge snap: it is mounted: device is in use (end that first)"},
		{on("snap", dmctl.ErrMounted), "merge snap: the origin is mounted (unmount it until the merge has begun; --force does it anyway)"},
		{errors.Join(dmctl.ErrLocked), "another run is at work (try again when it is done)"},
		{&mend.Stopped{Plan: "p", Say: "s", Err: io.EOF, After: "the store is intact", Again: true}, "p: stopped at step 1 (s): EOF; the store is intact (run it again to finish)"},
		{&mend.Stopped{Plan: "p", Say: "s", Err: io.EOF, After: "the store is whole"}, "p: stopped at step 1 (s): EOF; the store is whole"},
		// The end of a run that failed comes before the reason.
		{fmt.Errorf("%w: %w", dmctl.ErrIncomplete, dmctl.ErrBusy), "what is left is for recovery: device is in use (`dmsnapctl recover` finishes it)"},
	} {
		if got := explained(tt.err); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
	note := dmctl.Note{Text: "its I/O waits", About: dmctl.ErrSuspended, Name: "snap"}
	if got := noteText(note); !strings.HasPrefix(got, "its I/O waits (`dmsnapctl resume snap`") {
		t.Error(got)
	}
}

// Each command that a hint names is one of the program.
func TestHintsNameRealCommands(t *testing.T) {
	known := map[string]bool{}
	for _, c := range commands(run) {
		known[c.Name] = true
	}
	for _, h := range hints {
		for _, part := range strings.Split(h.text, "`dmsnapctl ")[1:] {
			if name := strings.FieldsFunc(part, func(r rune) bool { return r == ' ' || r == '`' })[0]; !known[name] {
				t.Errorf("%q names the command %s", h.text, name)
			}
		}
	}
}
