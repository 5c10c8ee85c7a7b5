package host

import (
	"os"
	"path/filepath"
	"testing"
)

// An intent is forsaken when it is no longer locked: its process died.
func TestIntents(t *testing.T) {
	h := &Linux{intents: filepath.Join(t.TempDir(), "run")}
	if left, err := h.Forsaken(); len(left) != 0 || err != nil {
		t.Fatalf("%v, %v", left, err)
	}
	end, err := h.Intend("one", []byte("what"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Intend("one", nil); err == nil {
		t.Error("one name was taken twice")
	}
	if left, err := h.Forsaken(); len(left) != 0 || err != nil {
		t.Errorf("of a process that lives: %v, %v", left, err)
	}
	dead := filepath.Join(h.intents, "two") // as a killed process leaves it
	if err := os.WriteFile(dead, []byte("left"), 0o600); err != nil {
		t.Fatal(err)
	}
	if left, err := h.Forsaken(); len(left) != 1 || string(left["two"]) != "left" || err != nil {
		t.Errorf("%v, %v", left, err)
	}
	if err := h.Forget("two"); err != nil {
		t.Error(err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if names, err := os.ReadDir(h.intents); len(names) != 0 || err != nil {
		t.Errorf("%v, %v", names, err)
	}
}

// Notes are kept beside intents, and neither is taken for the other.
func TestNotesAreNoIntents(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	h := &Linux{intents: dir, notes: filepath.Join(dir, "notes")}
	if err := h.WriteNote("clone", []byte("text")); err != nil {
		t.Fatal(err)
	}
	end, err := h.Intend("one", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = end() }()
	if left, err := h.Forsaken(); len(left) != 0 || err != nil {
		t.Errorf("a note as an intent: %v, %v", left, err)
	}
	if notes, err := h.Notes(); len(notes) != 1 || string(notes["clone"]) != "text" || err != nil {
		t.Errorf("notes: %v, %v", notes, err)
	}
	if err := h.DropNote("clone"); err != nil {
		t.Error(err)
	}
	if notes, err := h.Notes(); len(notes) != 0 || err != nil {
		t.Errorf("after the drop: %v, %v", notes, err)
	}
}

func TestMountOptions(t *testing.T) {
	for _, tt := range []struct {
		kind     string
		readOnly bool
		want     string
	}{
		{"ext4", false, ""}, {"ext4", true, "noload"}, {"ext3", true, "noload"}, {"ext2", true, ""},
		{"xfs", false, "nouuid"}, {"xfs", true, "nouuid,norecovery"}, {"vfat", true, ""},
	} {
		if got := mountOptions(tt.kind, tt.readOnly); got != tt.want {
			t.Errorf("%s, read-only %t: %q, want %q", tt.kind, tt.readOnly, got, tt.want)
		}
	}
}
