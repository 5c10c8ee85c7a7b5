//go:build linux && kernel

package main

import (
	"os"
	"strings"
	"testing"
)

// TestMountShowsTheImage as long as a command runs, whose exit code it has.
func TestMountShowsTheImage(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "extract store --origin origin -o raw")
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	b.run(exitFine, "mount store --origin origin dir -- cmp dir/image raw")
	b.run(1, "mount store --origin origin dir -- cmp dir/image origin")
	b.run(exitUnknown, "mount store --origin origin dir -- no-such-program")
	if entries, err := os.ReadDir("dir"); err != nil || len(entries) != 0 {
		t.Errorf("after the end: %v, %v", entries, err)
	}
	b.damage(invalidate)
	if _, complaint := b.run(exitCritical, "mount store --origin origin dir"); !strings.Contains(complaint, "invalidated") {
		t.Errorf("an invalidated store: %q", complaint)
	}
	b.run(exitFine, "mount store --origin origin --best-effort dir -- cmp dir/image raw")
}
