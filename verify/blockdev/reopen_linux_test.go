package blockdev

import (
	"os"
	"path/filepath"
	"testing"
)

// Even if something else is put in the place of an open file, opening it again
// opens the file itself.
func TestReopenIgnoresThePath(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "path"), filepath.Join(dir, "other")
	for p, text := range map[string]string{path: "first", other: "second"} {
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	for name, again := range map[string]func() (*File, error){"direct": f.Direct, "writer": f.Writer} {
		g, err := again()
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, g.Size())
		if _, err := g.ReadAt(got, 0); err != nil || string(got) != "first" || g.Path() != path {
			t.Errorf("%s: %q of %s, %v", name, got, g.Path(), err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	g, err := f.Direct()
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
}
