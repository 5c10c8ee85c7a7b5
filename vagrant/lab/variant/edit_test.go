//go:build linux

package variant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Text with the places of the edits, and nothing else of a kernel.
const (
	turn    = "if (pe->exception_sequence == s->exception_complete_sequence)"
	version = ".name = \"snapshot\",\n.version = {9, 8, 7},"
	other   = ".name = \"snapshot-merge\",\n.version = {9, 8, 7},"
)

func TestEditsChangeTheirPlaceOnly(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dm-snap.c")
	if err := os.WriteFile(path, []byte("a "+turn+" b\n"+other+"\n"+version+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, e := range Leaky.edits {
		if err := e.apply(dir); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "a s->exception_complete_sequence = pe->exception_sequence;\n\t" + turn + " b\n" + other +
		"\n.name = \"snapshot\",\n.version = {1, 11, 1},\n"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestEditsRefuseOtherSources(t *testing.T) {
	for _, text := range []string{"", turn + turn + version + version} {
		for _, e := range Leaky.edits {
			if _, err := e.in(text); err == nil || !strings.Contains(err.Error(), e.file) {
				t.Errorf("%q in %q: error %v", e.find, text, err)
			}
		}
	}
}
