//go:build linux

package variant

import (
	"os"
	"path/filepath"
	"slices"
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

// TestMendedOrder: a new store's area is zeroed before its header is written,
// and only then.
func TestMendedOrder(t *testing.T) {
	text := "r = write_header(ps); zero_memory_area(ps);\n\t\tr = zero_disk_area(ps, 0); " +
		"return chunk_io(ps, ps->header_area, 0, REQ_OP_WRITE, 1); " +
		"memcpy(ps->area, area, ps->store->chunk_size << SECTOR_SHIFT);"
	for _, e := range Mended.edits {
		var err error
		if text, err = e.in(text); err != nil {
			t.Fatal(err)
		}
	}
	zero, header := strings.Index(text, "zero_disk_area"), strings.Index(text, "r = write_header")
	if zero < 0 || zero > header || strings.Count(text, "zero_disk_area") != 1 {
		t.Errorf("area zeroed at %d, header written at %d:\n%s", zero, header, text)
	}
	for _, want := range []string{"REQ_OP_WRITE | REQ_PREFLUSH | REQ_FUA, 1)", "memset(area, 0, behind)"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestEditsRefuseOtherSources(t *testing.T) {
	for _, text := range []string{"", turn + turn + version + version} {
		for _, e := range append(slices.Clone(Leaky.edits), Mended.edits...) {
			if _, err := e.in(text); err == nil || !strings.Contains(err.Error(), e.file) {
				t.Errorf("%q in %q: error %v", e.find, text, err)
			}
		}
	}
}
