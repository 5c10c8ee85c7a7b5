package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// toolbox is a directory with a leaky store, its origin, and what the snapshot
// shows.
type toolbox struct {
	t     *testing.T
	shows []byte
}

const toolChunk = 4096

// newToolbox works in a separate directory: 20 chunks changed, 3 leaked.
func newToolbox(t *testing.T) toolbox {
	t.Helper()
	t.Chdir(t.TempDir())
	origin := make([]byte, 100*toolChunk)
	for i := range origin {
		origin[i] = byte(i/512) | 1
	}
	var list []cow.Exception
	for i := range cow.Chunk(20) {
		place := i + 2
		if i >= 10 {
			place += 3
		}
		list = append(list, cow.Exception{Old: i * 3, New: place})
	}
	store := cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 40}.Bytes()
	shows := bytes.Clone(origin)
	for _, e := range list {
		data := store[e.New*toolChunk:][:toolChunk]
		for i := range data {
			data[i] = 0xee ^ byte(e.Old)
		}
		copy(shows[e.Old*toolChunk:], data)
	}
	b := toolbox{t, shows}
	b.write("origin", origin)
	b.write("store", store)
	return b
}

func (b toolbox) write(name string, data []byte) {
	b.t.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b toolbox) read(name string) []byte {
	b.t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		b.t.Fatal(err)
	}
	return data
}

// run runs the program and checks its exit code.
func (b toolbox) run(want int, line string) (out, complaint string) {
	b.t.Helper()
	var o, e bytes.Buffer
	args := append([]string{"dmsnapctl"}, strings.Fields(line)...)
	if code := run(context.Background(), args, streams{in: strings.NewReader(""), out: &o, err: &e}); code != want {
		b.t.Errorf("%s: exit code %d, want %d\n%s%s", line, code, want, &o, &e)
	}
	return o.String(), e.String()
}

// damage changes the store.
func (b toolbox) damage(change func(store []byte)) {
	store := b.read("store")
	change(store)
	b.write("store", store)
}

func invalidate(store []byte) { store[4] = 0 }

func beyond(store []byte) {
	copy(store[toolChunk+5*16:], cow.Exception{Old: 15, New: 1 << 40}.AppendTo(nil))
}

func staleRecord(store []byte) {
	copy(store[toolChunk+22*16:], cow.Exception{Old: 90, New: 30}.AppendTo(nil))
}

func TestSize(t *testing.T) {
	b := newToolbox(t)
	for line, want := range map[string]string{
		"size --origin-size 4K --chunk-size 4K --json":                 `{"schema":"dmsnapctl.size/1","chunk_bytes":4096,"needed_bytes":12288,"maximum_bytes":12288,"minimum_bytes":12288,"smallest_safe_bytes":null}`,
		"size --origin-size 20K --chunk-size 4K --leaky-kernel --json": `{"schema":"dmsnapctl.size/1","chunk_bytes":4096,"needed_bytes":32768,"maximum_bytes":32768,"minimum_bytes":12288,"smallest_safe_bytes":null}`,
		"size --origin-size 2143289344 --chunk-size 8K --json":         `{"schema":"dmsnapctl.size/1","chunk_bytes":8192,"needed_bytes":2147491840,"maximum_bytes":2147491840,"minimum_bytes":24576,"smallest_safe_bytes":null}`,
		"size --origin-size 1G --chunk-size 4K --writes 1M --json":     `{"schema":"dmsnapctl.size/1","chunk_bytes":4096,"needed_bytes":1060864,"maximum_bytes":1077944320,"minimum_bytes":12288,"smallest_safe_bytes":null}`,
		"size store --json":                             `{"schema":"dmsnapctl.size/1","chunk_bytes":4096,"needed_bytes":null,"maximum_bytes":null,"minimum_bytes":12288,"smallest_safe_bytes":102400}`,
		"size store --origin origin --writes 8K --json": `{"schema":"dmsnapctl.size/1","chunk_bytes":4096,"needed_bytes":110592,"maximum_bytes":417792,"minimum_bytes":12288,"smallest_safe_bytes":102400}`,
	} {
		if got, _ := b.run(exitFine, line); got != want+"\n" {
			t.Errorf("%s:\n%swant\n%s", line, got, want)
		}
	}
	for _, line := range []string{"size", "size --origin-size 1M", "size --chunk-size 4K", "size --origin-size 1M --chunk-size 3K", "size --origin-size 1M --chunk-size 100", "size store --chunk-size 4K", "size --origin-size x --chunk-size 4K"} {
		b.run(exitUsage, line)
	}
	// The smallest safe size keeps the snapshot, and a chunk less does not.
	store := b.read("store")
	b.write("cut", store[:102400])
	b.run(exitWarning, "verify cut")
	b.write("cut", store[:102400-toolChunk])
	b.run(exitCritical, "verify cut")
	b.damage(beyond)
	b.run(exitCritical, "size store")
}

func TestRepairReclaimRevalidate(t *testing.T) {
	b := newToolbox(t)
	b.damage(staleRecord)
	before := b.read("store")
	out, _ := b.run(exitFine, "repair store --dry-run")
	if !strings.Contains(out, "clear 1 record after the end of the list") || !bytes.Equal(b.read("store"), before) {
		t.Errorf("dry run: %s", out)
	}
	b.run(exitFine, "repair store --undo undo --yes")
	b.run(exitWarning, "verify store")
	b.run(exitFine, "restore undo store --yes")
	if !bytes.Equal(b.read("store"), before) {
		t.Error("the undo file does not undo")
	}
	b.reclaimToNewFile()
	kept := b.read("undo")
	if _, complaint := b.run(exitFine, "reclaim store --undo undo --yes"); !strings.Contains(complaint, "kept") || !bytes.Equal(b.read("undo"), kept) {
		t.Errorf("the undo file of the run before is not kept: %q", complaint)
	}
	b.run(exitFine, "verify store")
	if out, _ := b.run(exitFine, "reclaim store --yes"); !strings.Contains(out, "nothing to do") {
		t.Errorf("a second run: %s", out)
	}
	b.damage(invalidate)
	b.run(exitCritical, "reclaim store --yes")
	for _, line := range []string{"revalidate store --yes", "revalidate store --origin origin --yes"} {
		b.run(exitUsage, line)
	}
	b.run(exitUnknown, "revalidate store --origin origin --origin-sha256 00 --yes")
	b.run(exitCritical, "verify store")
	b.run(exitFine, "revalidate store --origin-unchanged --grow-by 128K --yes")
	b.run(exitFine, "verify store")
	if n := len(b.read("store")); n != len(before)+128<<10 {
		t.Errorf("the store has %d bytes", n)
	}
	b.write("store", b.read("anew")) // in canonical order
	b.damage(beyond)
	b.run(exitCritical, "repair store --yes")
	b.run(exitFine, "repair store --assume-canonical --yes --json")
	b.run(exitFine, "verify store")
	b.run(exitUnknown, "repair origin --yes")
	b.damage(beyond)
	b.damage(invalidate)
	b.run(exitCritical, "dump store -o dump")
	b.run(exitUnknown, "dump store -o no/dump") // a lost dump outranks the store's verdict
	b.run(exitCritical, "revalidate store --origin-unchanged --yes")
}

// reclaimToNewFile checks that reclaim --to asks, saves what undoes it, and
// does not change the store.
func (b toolbox) reclaimToNewFile() {
	b.t.Helper()
	before := b.read("store")
	for _, line := range []string{"reclaim store --to anew", "reclaim store --to anew --undo anew --yes", "reclaim store --to anew --undo store --yes", "reclaim store --to store --yes"} {
		b.run(exitUsage, line)
	}
	if out, _ := b.run(exitFine, "reclaim store --to anew --undo old --dry-run"); !strings.Contains(out, "copy 20 exceptions and 81920 bytes") || exists("anew") || exists("old") {
		b.t.Errorf("a dry run wrote, or says %s", out)
	}
	b.run(exitFine, "reclaim store --to anew --undo old --yes")
	b.run(exitFine, "verify anew")
	b.run(exitUnknown, "restore old anew --yes") // its chunks are elsewhere
	b.run(exitFine, "restore old anew --data store --yes")
	b.run(exitFine, "extract anew --origin origin -o of-anew")
	if !bytes.Equal(b.read("of-anew"), b.shows) {
		b.t.Error("undone, it shows something else")
	}
	if err := os.Remove("anew"); err != nil {
		b.t.Fatal(err)
	}
	b.run(exitFine, "reclaim store --to anew --undo old --yes") // the undo file is kept
	if !bytes.Equal(b.read("store"), before) {
		b.t.Error("the store has changed")
	}
	b.run(exitUsage, "reclaim store --to anew --yes") // the file exists
	b.damage(beyond)
	b.run(exitCritical, "reclaim store --to other --dry-run")
	b.run(exitCritical, "reclaim store --to other --yes")
	b.write("store", before)
}

func TestApply(t *testing.T) {
	b := newToolbox(t)
	origin, store := b.read("origin"), b.read("store")
	b.run(exitUsage, "apply store --yes")
	b.run(exitUsage, "apply store --to origin --undo store --yes")
	b.run(exitUsage, "apply store --to origin --undo origin --yes")
	b.run(exitUsage, "reclaim store --undo store --yes")
	b.run(exitFine, "apply store --to origin --dry-run")
	if !bytes.Equal(b.read("origin"), origin) || !bytes.Equal(b.read("store"), store) {
		t.Error("a dry run wrote")
	}
	b.run(exitFine, "apply store --to origin --undo undo --yes")
	if !bytes.Equal(b.read("origin"), b.shows) {
		t.Error("the origin is not the image")
	}
	b.run(exitFine, "verify store") // empty
	b.run(exitFine, "apply store --to origin --yes")
	b.run(exitFine, "apply undo --to origin --yes")
	b.run(exitFine, "restore undo.dump store --yes")
	if !bytes.Equal(b.read("origin"), origin) || !bytes.Equal(b.read("store"), store) {
		t.Error("the undo files do not undo")
	}
	b.damage(invalidate)
	b.run(exitCritical, "apply store --to origin --yes")
}

// TestUndoOfAnotherDay: an undo file of an earlier run is not kept as that of
// today's, though it names the same places.
func TestUndoOfAnotherDay(t *testing.T) {
	b := newToolbox(t)
	clean := b.read("store")
	b.run(exitFine, "apply store --to origin --undo undo --yes")
	today := b.read("origin")
	for i := range toolChunk { // written by somebody
		today[3*toolChunk+i] ^= 2
	}
	fewer := bytes.Clone(clean)
	clear(fewer[toolChunk+16*16 : 2*toolChunk]) // a prefix of the list
	for name, store := range map[string][]byte{"the same list": clean, "a prefix of it": fewer} {
		b.write("origin", today)
		b.write("store", store)
		_, complaint := b.run(exitUnknown, "apply store --to origin --undo undo --yes")
		if !strings.Contains(complaint, "nothing was changed") || !strings.Contains(complaint, "name another file with --undo") {
			t.Errorf("%s: %s", name, complaint)
		}
		if !bytes.Equal(b.read("origin"), today) || !bytes.Equal(b.read("store"), store) {
			t.Errorf("%s: something was changed", name)
		}
	}
	b.write("store", clean)
	b.run(exitFine, "dump store -o old")
	b.damage(func(store []byte) { // another chunk, with other data
		copy(store[toolChunk+5*16:], cow.Exception{Old: 15, New: 31}.AppendTo(nil))
	})
	other := b.read("store")
	for _, line := range []string{"reclaim store --undo old --yes", "reclaim store --to new --undo old --yes"} {
		if _, complaint := b.run(exitUnknown, line); !strings.Contains(complaint, "name another file with --undo") || !bytes.Equal(b.read("store"), other) || exists("new") {
			t.Errorf("%s: %s", line, complaint)
		}
	}
	// The dump of a merge is not taken for that of an emptied store before the
	// store of the origin is there.
	b.write("other.dump", b.read("old"))
	b.write("store", clean)
	b.damage(func(store []byte) { clear(store[toolChunk+10*16 : 2*toolChunk]) })
	b.run(exitUnknown, "apply store --to origin --undo other --yes")
}

// TestDumpOverItself: a dump is not written over while it is read.
func TestDumpOverItself(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	dump := b.read("lines")
	if err := os.Link("lines", "other"); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"restore lines lines --yes", "restore lines other --data store --yes", "restore lines ./lines --dry-run"} {
		if _, complaint := b.run(exitUsage, line); !strings.Contains(complaint, "same file") || !bytes.Equal(b.read("lines"), dump) {
			t.Errorf("%s: %s", line, complaint)
		}
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}

// TestOutputsThatCannotBeWritten: a full device, a missing directory, a link.
func TestOutputsThatCannotBeWritten(t *testing.T) {
	b := newToolbox(t)
	store := b.read("store")
	if err := os.WriteFile("unlucky.dump", store, 0o600); err != nil { // a store with a misleading name
		t.Fatal(err)
	}
	if err := os.WriteFile("beside.dump", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"link", "dumped.dump"} {
		if err := os.Symlink("target", link); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("other", []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]int{
		"delta store -o no/dir":                       exitUnknown,
		"dump store -o no/dir":                        exitUnknown,
		"extract store --origin origin -o no/dir":     exitUnknown,
		"repair store --undo no/dir --yes":            exitFine, // there is nothing to do
		"reclaim store --undo no/dir --yes":           exitUnknown,
		"apply store --to origin --undo no/dir --yes": exitUnknown,
		"reclaim store --undo link --yes":             exitUsage,
		"reclaim store --undo /dev/null --yes":        exitUsage,
		"apply store --to origin --undo link --yes":   exitUsage,
		"apply store --to origin --undo dumped --yes": exitUsage,   // its dump would be a link
		"apply store --to origin --undo other --yes":  exitUnknown, // somebody else's file
		"apply store --to origin --undo beside --yes": exitUnknown,
		// its dump would be the store
		"apply unlucky.dump --to origin --undo unlucky --yes": exitUsage,
		"extract store --origin origin -o link":               exitUsage,
		"dump store -o link":                                  exitUsage,
		"delta store -o /dev/full":                            exitUsage,
		"reclaim store --to origin":                           exitUsage,
	} {
		b.run(want, line)
	}
	if !bytes.Equal(b.read("store"), store) || string(b.read("other")) != "precious" || string(b.read("beside.dump")) != "precious" || exists("beside") || exists("target") || exists("other.dump") {
		t.Error("something was written")
	}
}

// TestInterruptedTools: an interrupt is 130 in each command, and changes nothing.
func TestInterruptedTools(t *testing.T) {
	b := newToolbox(t)
	b.damage(staleRecord)
	b.run(exitFine, "dump store -o lines")
	origin, store := b.read("origin"), b.read("store")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, line := range []string{
		"extract store --origin origin -o out", "extract store --origin origin -o out --format qcow2", "delta store -o out",
		"reclaim store --yes --undo out", "reclaim store --to out", "repair store --yes", "apply store --to origin --yes --undo out",
		"restore lines store --yes", "restore lines out --data store --size 1M --yes",
	} {
		var o, e bytes.Buffer
		code := run(ctx, append([]string{"dmsnapctl"}, strings.Fields(line)...), streams{in: strings.NewReader(""), out: &o, err: &e})
		if code != exitInterrupted || e.Len() == 0 || exists("out") {
			t.Errorf("%s: exit code %d, a file is left: %v: %s", line, code, exists("out"), &e)
		}
	}
	if !bytes.Equal(b.read("origin"), origin) || !bytes.Equal(b.read("store"), store) {
		t.Error("something was changed")
	}
}

// TestMountNeedsADirectory, and ends where there is none.
func TestMountNeedsADirectory(t *testing.T) {
	b := newToolbox(t)
	b.run(exitUnknown, "mount store --origin origin missing")
	b.run(exitUsage, "mount store missing")
	b.run(exitUsage, "mount store --origin origin")
}

// TestProgressOfPasses: a command that reads a list in passes reports its
// progress, even with more passes than it expected.
func TestProgressOfPasses(t *testing.T) {
	b := newToolbox(t)
	o := &console{command: "dump", out: io.Discard, err: io.Discard}
	report, err := judgeStore(context.Background(), o, "store", verify.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := newCopyProgress(o)
	from := p.metered(bytes.NewReader(b.read("store")), report.Report, mend.DumpPasses)
	p.start = time.Now()
	area := make([]byte, toolChunk) // all of the list
	for pass, want := range []string{"4 KiB of 8 KiB, 4 KiB/s, 1s left", "8 KiB of 8 KiB, 8 KiB/s, 0s left", "12 KiB of 12 KiB, 12 KiB/s, 0s left"} {
		if _, err := from.ReadAt(area, toolChunk); err != nil {
			t.Fatal(err)
		}
		if got := p.line(p.start.Add(time.Second)); got != "dmsnapctl: dump: "+want {
			t.Errorf("pass %d: %q, want %q", pass, got, want)
		}
	}
}
