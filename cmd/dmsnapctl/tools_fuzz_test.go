package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// hostileStores are stores with one mistake each.
func hostileStores() [][]byte {
	list := []cow.Exception{{Old: 0, New: 2}, {Old: 5, New: 3}, {Old: 7, New: 6}}
	whole := cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 8}.Bytes()
	changed := func(at int, b ...byte) []byte {
		store := bytes.Clone(whole)
		copy(store[at:], b)
		return store
	}
	const area = toolChunk // the first area's place
	return [][]byte{
		whole, whole[:3*toolChunk], whole[:20], nil,
		changed(4, 0),       // invalidated
		changed(8, 9),       // an unknown version
		changed(12, 0, 255), // not a valid chunk size
		changed(12, 0, 0, 64),
		changed(area, bytes.Repeat([]byte{0xff}, 7)...),   // an old chunk beyond any origin
		changed(area+8, bytes.Repeat([]byte{0xff}, 8)...), // a new chunk beyond any device
		changed(area+8, 1),  // the chunk of an area
		changed(area+24, 2), // the chunk of another exception's data
		changed(area+3*16, bytes.Repeat([]byte{1}, 64)...), // a list that continues
	}
}

// FuzzTools: no store, however wrong, makes a command that reads it panic, or
// write more than the size of the origin.
func FuzzTools(f *testing.F) {
	for _, store := range hostileStores() {
		f.Add(store)
	}
	const originBytes = 10*toolChunk + 512
	f.Fuzz(func(t *testing.T, store []byte) {
		if len(store) > 1<<17 {
			return
		}
		t.Chdir(memoryDir(t))
		b := toolbox{t: t}
		b.write("store", store)
		b.write("origin", make([]byte, originBytes))
		for _, line := range []string{
			"size store --origin origin", "delta store --json --origin origin", "delta store --format bmap", "dump store -o out.dump",
			"extract store --origin origin -o out.raw", "extract store --origin origin -o out.best --best-effort",
			"extract store --origin origin -o out.qcow2 --format qcow2",
			"extract store --origin origin -o out.changes --only-changes --backing origin",
		} {
			var out, complaint bytes.Buffer
			code := run(context.Background(), append([]string{"dmsnapctl"}, strings.Fields(line)...), streams{in: strings.NewReader(""), out: &out, err: &complaint})
			if code < exitFine || code > exitUnknown || strings.Contains(complaint.String(), "internal error") {
				t.Errorf("%s: exit code %d: %s", line, code, &complaint)
			}
			if strings.Contains(line, "--json") && code == exitFine {
				checkRanges(t, out.Bytes(), originBytes)
			}
		}
		for _, name := range []string{"out.raw", "out.best"} {
			if info, err := os.Stat(name); err == nil && info.Size() != originBytes {
				t.Errorf("%s has %d bytes, the origin %d", name, info.Size(), originBytes)
			}
		}
		for _, name := range []string{"out.qcow2", "out.changes"} { // with the format's own tables
			if info, err := os.Stat(name); err == nil && info.Size() > originBytes+8*65536+toolChunk {
				t.Errorf("%s has %d bytes, the origin %d", name, info.Size(), originBytes)
			}
		}
	})
}

// memoryDir is an empty directory for this test, in memory where there is one. The
// program flushes each file that it writes and the file's directory, which on a
// disk took nearly all of the time.
func memoryDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "dmsnapctl-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// checkRanges checks that a delta is sorted, joined, and within the origin.
func checkRanges(t *testing.T, text []byte, origin int64) {
	t.Helper()
	var delta struct {
		Ranges []struct{ Offset, Length int64 }
		Bytes  int64
	}
	if err := json.Unmarshal(text, &delta); err != nil {
		t.Fatal(err)
	}
	end, sum := int64(-1), int64(0)
	for _, r := range delta.Ranges {
		if r.Offset <= end || r.Length <= 0 || r.Offset+r.Length > origin {
			t.Errorf("%s", text)
		}
		end, sum = r.Offset+r.Length, sum+r.Length
	}
	if sum != delta.Bytes {
		t.Errorf("%d bytes in %s", sum, text)
	}
}
