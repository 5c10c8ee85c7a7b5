package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

func TestDumpAndRestore(t *testing.T) {
	b := newToolbox(t)
	b.damage(staleRecord)
	store := b.read("store")
	b.run(exitFine, "dump store -o lines")
	out, _ := b.run(exitFine, "dump store")
	if out != string(b.read("lines")) || strings.Count(out, "\n") != 22 || !strings.Contains(out, `{"area":0,"slot":1,"old":3,"new":3}`) {
		t.Errorf("dump:\n%s", out)
	}
	b.damage(func(s []byte) { clear(s[:2*toolChunk]) })
	b.run(exitUsage, "restore lines store") // nobody answers yes
	b.run(exitFine, "restore lines store --dry-run")
	if bytes.Equal(b.read("store"), store) {
		t.Error("a dry run wrote")
	}
	b.run(exitFine, "restore lines store --yes")
	if !bytes.Equal(b.read("store"), store) {
		t.Error("the store is another one than before")
	}
	for _, line := range []string{"restore lines new --size 160K --yes", "restore lines new --data store --size 1M --undo u --yes", "restore lines store --undo lines --yes"} {
		b.run(exitUsage, line)
	}
	if exists("new") || exists("u") {
		t.Error("a refused command left a file")
	}
	b.run(exitUsage, "restore lines store --data store --yes")
	disk := make([]byte, 1<<20)
	copy(disk[0x438:], "\x53\xef")
	b.write("disk", disk)
	b.run(exitUnknown, "restore lines disk --data store --yes")
	if !bytes.Equal(b.read("disk"), disk) {
		t.Error("a file system was written over")
	}
}

// TestRestoreToANewFile: the file is there when it is complete, only its owner can
// read it, and it replaces nothing.
func TestRestoreToANewFile(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	b.write("notes", []byte("not a store"))
	if err := os.Symlink("elsewhere", "link"); err != nil {
		t.Fatal(err)
	}
	before := names(t)
	for line, code := range map[string]int{
		"restore lines new --data store --size 200K --dry-run": exitFine,
		"restore lines new --data store --size 200K":           exitUsage,   // nobody answers yes
		"restore lines new --data store --size 40K --yes":      exitUnknown, // too small
		"restore lines store --data store --size 200K --yes":   exitUsage,
		"restore lines lines --data store --size 200K --yes":   exitUsage,
		"restore lines notes --data store --size 200K --yes":   exitUsage,
		"restore lines link --data store --size 200K --yes":    exitUsage,
		"restore store new --data store --size 200K --yes":     exitUnknown, // not a dump
	} {
		b.run(code, line)
		if diff := cmp.Diff(before, names(t)); diff != "" {
			t.Errorf("%s leaves (-before +after)\n%s", line, diff)
		}
	}
	if string(b.read("notes")) != "not a store" {
		t.Error("a file was replaced")
	}
	b.run(exitFine, "restore lines larger --data store --size 200K --yes")
	if info, err := os.Stat("larger"); err != nil || info.Size() != 200<<10 || info.Mode().Perm() != 0o600 {
		t.Errorf("the new store: %v, %v", info, err)
	}
	b.run(exitFine, "extract larger --origin origin -o raw")
	if !bytes.Equal(b.read("raw"), b.shows) {
		t.Error("the larger store shows something else")
	}
}

// names are the files in the present directory.
func names(t *testing.T) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// TestUndoBeyondADump: if a run overwrites more than a store's records, the
// undo file is a store of the device, and a second run keeps it.
func TestUndoBeyondADump(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	sound := b.read("store")
	lost := bytes.Clone(sound)
	copy(lost, "no header at all")
	staleRecord(lost)
	other := cowtest.Store{Chunk: 16, Exceptions: cowtest.Canonical(16, 0, 40), DeviceChunks: 30}.Bytes()
	for i := 3 * 8192; i < len(other); i++ {
		other[i] = byte(i / 7)
	}
	for name, tc := range map[string]struct {
		store []byte
		run   string
	}{
		"a lost header":            {lost, "repair store"},
		"restore, without a store": {lost, "restore lines store"},
		"another chunk size":       {other, "restore lines store --data data"},
		"other data":               {append(bytes.Clone(sound), make([]byte, 4096)...), "restore lines store --data data"},
	} {
		b.write("store", tc.store)
		b.write("data", sound)
		_ = os.Remove("undo")
		if _, complaint := b.run(exitFine, tc.run+" --undo undo --yes"); !strings.Contains(complaint, "undo undoes this by: dmsnapctl apply undo --to store\n") {
			t.Errorf("%s: it says %q", name, complaint)
		}
		if name == "a lost header" {
			b.run(exitCritical, "extract store --origin origin -o -") // it may have been invalidated
			b.run(exitFine, "revalidate store --origin-unchanged --yes")
		}
		if out, _ := b.run(exitFine, "extract store --origin origin -o -"); out != string(b.shows) {
			t.Errorf("%s: the image is another one", name)
		}
		kept := b.read("undo")
		b.write("store", tc.store)
		if _, complaint := b.run(exitFine, tc.run+" --undo undo --yes"); !strings.Contains(complaint, "kept") || !bytes.Equal(b.read("undo"), kept) {
			t.Errorf("%s: the undo file of the run before is not kept: %q", name, complaint)
		}
		b.run(exitFine, "apply undo --to store --yes")
		if !bytes.Equal(b.read("store"), tc.store) {
			t.Errorf("%s: the undo file does not undo", name)
		}
	}
	b.write("undo", other) // of another device
	b.write("store", lost)
	if _, complaint := b.run(exitUnknown, "repair store --undo undo --yes"); !strings.Contains(complaint, "nothing was changed") || !bytes.Equal(b.read("store"), lost) {
		t.Errorf("somebody else's file: %q", complaint)
	}
}
