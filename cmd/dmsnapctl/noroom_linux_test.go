package main

// Full file systems: what is written to them, or to sparse files on them.

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fullDirectory mounts a file system without free space on the directory full.
// It has the files in it already.
func fullDirectory(t *testing.T, files map[string]int) {
	t.Helper()
	if err := os.Mkdir("full", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", "full", "tmpfs", 0, "size=256k"); err != nil {
		if errors.Is(err, unix.EPERM) {
			t.Skip("mounting takes root; TestOutputsThatCannotBeWritten needs none")
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount("full", unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for name, size := range files {
		if err := errors.Join(os.WriteFile("full/"+name, nil, 0o600), os.Truncate("full/"+name, int64(size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("full/taken", make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
		t.Fatal(err)
	}
}

// TestOutputsWithoutRoom: on a full file system no output and no undo file is
// left behind, and nothing is changed.
func TestOutputsWithoutRoom(t *testing.T) {
	b := newToolbox(t)
	sound := b.read("store")
	b.damage(invalidate)
	b.write("invalid", b.read("store"))
	b.write("store", sound)
	b.damage(staleRecord)
	b.write("headless", append(bytes.Repeat([]byte{1}, 16), sound[16:]...))
	b.write("other", b.read("store"))
	b.run(exitFine, "dump store -o lines")
	fullDirectory(t, nil)
	names := []string{"origin", "store", "invalid", "headless", "other"}
	before := map[string][]byte{}
	for _, name := range names {
		before[name] = b.read(name)
	}
	for _, line := range []string{
		"extract store --origin origin -o full/out",
		"extract store --origin origin -o full/out --format qcow2",
		"extract store --origin origin -o full/out --only-changes --backing origin",
		"delta store -o full/out", "delta store --format bmap --origin origin -o full/out", "dump store -o full/out",
		"repair store --undo full/out --yes", "repair headless --undo full/out --yes",
		"reclaim store --undo full/out --yes", "reclaim store --to full/out --yes", "reclaim store --to new --undo full/out --yes",
		"revalidate invalid --origin-unchanged --grow-by 1M --undo full/out --yes", "apply store --to origin --undo full/out --yes",
		"restore lines store --undo full/out --yes", "restore lines other --data store --undo full/out --yes",
		"restore lines full/out --data store --size 1M --yes", "map store -o full/out.svg",
	} {
		_, complaint := b.run(exitUnknown, line)
		if !strings.Contains(complaint, "no space left") || strings.Contains(line, "--undo") && !strings.Contains(complaint, "nothing was changed") {
			t.Errorf("%s says %q", line, complaint)
		}
		if left, err := os.ReadDir("full"); err != nil || len(left) != 1 || exists("new") {
			t.Errorf("%s leaves %v, %v", line, left, err)
		}
		for _, name := range names {
			if !bytes.Equal(b.read(name), before[name]) {
				t.Errorf("%s has changed %s", line, name)
			}
		}
	}
}

// TestSparseFilesWithoutRoom: an origin or a store whose file system becomes full
// while it is written to. Nothing is lost, and the message says how to go on.
func TestSparseFilesWithoutRoom(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	fullDirectory(t, map[string]int{"origin": len(b.shows), "store": len(b.read("store"))})
	store := b.read("store")
	for _, line := range []string{"apply store --to full/origin --yes", "restore lines full/store --data store --yes"} {
		if _, complaint := b.run(exitUnknown, line); !strings.Contains(complaint, "no space left") || !strings.Contains(complaint, "run it again to finish") {
			t.Errorf("%s says %q", line, complaint)
		}
	}
	if !bytes.Equal(b.read("store"), store) {
		t.Error("the store has changed")
	}
	if err := os.Remove("full/taken"); err != nil {
		t.Fatal(err)
	}
	b.run(exitFine, "restore lines full/store --data store --yes")
	b.run(exitFine, "extract full/store --origin origin -o image")
	if !bytes.Equal(b.read("image"), b.shows) {
		t.Error("the second run does not finish")
	}
}
