package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

func TestDelta(t *testing.T) {
	b := newToolbox(t)
	want := ""
	for i := range 20 {
		want += itoa(i*3*toolChunk) + " 4096\n"
	}
	if got, _ := b.run(exitFine, "delta store"); got != want {
		t.Errorf("ranges:\n%s", got)
	}
	out, _ := b.run(exitFine, "delta store --json")
	var d struct {
		Schema string
		Ranges []struct{ Offset, Length int64 }
		Bytes  int64
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || d.Schema != "dmsnapctl.delta/1" || len(d.Ranges) != 20 || d.Bytes != 20*4096 || d.Ranges[1].Offset != 3*4096 {
		t.Errorf("%v: %s", err, out)
	}
	second := cowtest.Store{Chunk: 16, Exceptions: cowtest.Canonical(16, 0, 40)}.Bytes()
	b.write("second", second)
	if got, _ := b.run(exitFine, "delta store --against second"); !strings.HasPrefix(got, "0 8192\n12288 4096\n") || !strings.Contains(got, "\n327680 8192\n") {
		t.Errorf("against another store:\n%s", got)
	}
	if got, _ := b.run(exitFine, "delta store --format bmap --origin origin"); !strings.Contains(got, "<ImageSize> 409600 </ImageSize>") || !strings.Contains(got, "<Range>57</Range>") {
		t.Errorf("bmap:\n%s", got)
	}
	if _, complaint := b.run(exitFine, "delta store --format bmap"); !strings.Contains(complaint, "origin's size") {
		t.Errorf("bmap without a size: %q", complaint)
	}
	for _, line := range []string{"delta", "delta store --format xml", "delta store --format bmap --json", "delta store -o store", "delta store --against second -o second"} {
		b.run(exitUsage, line)
	}
	b.run(exitUnknown, "delta origin")
	b.damage(staleRecord)
	b.run(exitFine, "delta store")
	b.damage(invalidate)
	if got, _ := b.run(exitCritical, "delta store"); got != want {
		t.Errorf("of an invalidated store:\n%s", got)
	}
}

// An origin chunk that no device can have is left out of the list, which is then
// said to be incomplete, whether or not the origin's size is known.
func TestDeltaOfImpossibleChunks(t *testing.T) {
	for _, old := range []cow.Chunk{1 << 51, 1 << 60, 1<<64 - 1} {
		b := newToolbox(t)
		want, _ := b.run(exitFine, "delta store")
		b.damage(func(store []byte) {
			copy(store[toolChunk+20*16:], cow.Exception{Old: old, New: 25}.AppendTo(nil))
		})
		for _, flags := range []string{"", " --origin origin"} {
			got, complaint := b.run(exitCritical, "delta store"+flags)
			if got != want || strings.Count(complaint, "\n") != 1 || !strings.Contains(complaint, "incomplete") {
				t.Errorf("%d%s: %q, %s", old, flags, complaint, got)
			}
			if got, _ := b.run(exitCritical, "delta store --json"+flags); !strings.Contains(got, `"complete":false`) {
				t.Errorf("%d%s: %s", old, flags, got)
			}
			b.run(exitCritical, "delta store --format bmap"+flags)
		}
		b.write("second", cowtest.Store{Chunk: 16, Exceptions: cowtest.Canonical(16, 0, 40)}.Bytes())
		if _, complaint := b.run(exitCritical, "delta second --against store"); !strings.Contains(complaint, "delta store: the store is damaged") {
			t.Errorf("%d, the other store: %q", old, complaint)
		}
	}
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestExtract(t *testing.T) {
	b := newToolbox(t)
	same := func(name string, want []byte) {
		t.Helper()
		if !bytes.Equal(b.read(name), want) {
			t.Errorf("%s is another image", name)
		}
	}
	b.run(exitFine, "extract store --origin origin -o raw")
	same("raw", b.shows)
	if info, err := os.Stat("raw"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the image's mode is %v, %v", info.Mode(), err)
	}
	if out, _ := b.run(exitFine, "extract store --origin origin -o -"); out != string(b.shows) {
		t.Error("stdout is another image")
	}
	out, _ := b.run(exitFine, "extract store --origin origin -o full.qcow2 --format qcow2 --json")
	if want := `{"schema":"dmsnapctl.extract/1","path":"store","output":"full.qcow2","format":"qcow2","bytes":409600,"changed_bytes":81920,"verdict":"leaked","certain":[{"offset":0,"length":409600}],"uncertain":[]}`; out != want+"\n" {
		t.Errorf("json %s, want %s", out, want)
	}
	if !bytes.HasPrefix(b.read("full.qcow2"), []byte("QFI\xfb")) {
		t.Error("full.qcow2 is no qcow2 image")
	}
	if err := os.Mkdir("backups", 0o700); err != nil {
		t.Fatal(err)
	}
	b.run(exitFine, "extract store --origin origin -o backups/over.qcow2 --only-changes --backing origin")
	if over := b.read("backups/over.qcow2"); !bytes.Contains(over[:512], []byte("../originraw")) && !bytes.Contains(over[:512], []byte("../origin")) {
		t.Error("the overlay does not name its backing file by its own directory")
	}
	b.run(exitFine, "extract store --origin origin -o back.qcow2 --only-changes --backing full.qcow2 --side origin")
	if !bytes.Contains(b.read("back.qcow2")[:512], []byte("qcow2")) {
		t.Error("the overlay does not name the format of its backing file")
	}
	for _, line := range []string{
		"extract store -o x", "extract store --origin origin", "extract store --origin origin -o x --format vmdk",
		"extract store --origin origin -o x --side top", "extract store --origin origin -o x --side origin",
		"extract store --origin origin -o x --only-changes", "extract store --origin origin -o x --backing origin",
		"extract store --origin origin -o x --only-changes --backing origin --format raw",
		"extract store --origin origin -o x --content raw", "extract store --origin origin -o - --format qcow2",
		"extract store --origin origin -o - --json", "extract store --origin origin -o store", "extract store --origin origin -o origin",
		"extract store --origin origin -o full.qcow2 --only-changes --backing full.qcow2",
	} {
		b.run(exitUsage, line)
	}
	if exists("x") {
		t.Error("a refused command left a file")
	}
	b.damage(invalidate)
	if _, complaint := b.run(exitCritical, "extract store --origin origin -o best"); !strings.Contains(complaint, "--best-effort") || exists("best") {
		t.Errorf("of an invalidated store: %q", complaint)
	}
	out, _ = b.run(exitWarning, "extract store --origin origin -o best --best-effort --json")
	if !strings.Contains(out, `"certain":[{"offset":0,"length":4096},{"offset":12288,"length":4096}`) || !strings.Contains(out, `"uncertain":[{"offset":4096,"length":8192}`) {
		t.Errorf("what is certain: %s", out)
	}
	same("best", b.shows)
	ranges := []string{"certain    80 KiB in 20 ranges: bytes 0-4095, 12288-16383, 24576-28671, 36864-40959, 49152-53247 and 15 more\n",
		"uncertain  320 KiB in 20 ranges: bytes 4096-12287, 16384-24575, 28672-36863, 40960-49151, 53248-61439 and 15 more\n"}
	if out, _ = b.run(exitWarning, "extract store --origin origin -o best --best-effort"); out != "best: 400 KiB, 80 KiB of it changed\n  "+strings.Join(ranges, "  ") {
		t.Errorf("what is certain, in words: %s", out)
	}
	if out, complaint := b.run(exitWarning, "extract store --origin origin -o - --best-effort"); out != string(b.shows) || !strings.Contains(complaint, ranges[0]) || !strings.Contains(complaint, ranges[1]) {
		t.Errorf("what is certain of stdout: %s", complaint)
	}
	b.damage(beyond)
	if out, complaint := b.run(exitWarning, "extract store --origin origin -o best --best-effort"); !strings.Contains(out, "certain    nothing\n  uncertain  400 KiB in 1 range: bytes 0-409599\n") || !strings.Contains(complaint, "the wrong place") {
		t.Errorf("what is certain of a damaged store: %s%s", out, complaint)
	}
}

// TestErrorsThatHelp: each names the command, says a reason once, and what to do.
func TestErrorsThatHelp(t *testing.T) {
	b := newToolbox(t)
	b.write("lost", append([]byte("no header at all"), b.read("store")[16:]...))
	b.write("invalid", b.read("store"))
	b.write("damaged", b.read("store"))
	sound := b.read("store")
	for name, change := range map[string]func([]byte){"invalid": invalidate, "damaged": beyond} {
		b.write("store", sound)
		b.damage(change)
		b.write(name, b.read("store"))
	}
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		line string
		code int
		says []string
	}{
		{"extract lost --origin origin -o out", exitUnknown, []string{"--best-effort", "`dmsnapctl repair`"}},
		{"mount lost --origin origin dir -- true", exitUnknown, []string{"--best-effort", "`dmsnapctl repair`"}},
		{"mount invalid --origin origin dir -- true", exitCritical, []string{"--best-effort"}},
		{"extract damaged --origin origin -o out", exitCritical, []string{"--best-effort"}},
		{"dump invalid -o lines", exitCritical, []string{"the kernel has invalidated the snapshot"}},
		{"dump damaged -o lines", exitCritical, []string{"lies beyond the device"}},
		{"extract damaged --origin none -o out", exitUnknown, []string{"extract: the origin"}},
		{"mount damaged --origin none dir -- true", exitUnknown, []string{"mount: the origin"}},
		{"delta damaged --origin none", exitUnknown, []string{"delta: the origin"}},
		{"apply damaged --to none --yes", exitUnknown, []string{"apply: the origin"}},
		{"repair none --yes", exitUnknown, []string{"repair: the store"}},
		{"restore none damaged --yes", exitUnknown, []string{"restore: the dump"}},
		{"restore lines damaged --data none --yes", exitUnknown, []string{"restore: the data"}},
	} {
		_, complaint := b.run(tc.code, tc.line)
		for _, s := range append(tc.says, "dmsnapctl: "+strings.Fields(tc.line)[0]) {
			if !strings.Contains(complaint, s) {
				t.Errorf("%s: %q, without %q", tc.line, complaint, s)
			}
		}
		if strings.Count(complaint, "invalidated") > 1 {
			t.Errorf("%s says it twice: %q", tc.line, complaint)
		}
	}
	b.write("empty", make([]byte, 1<<20))
	if out, _ := b.run(exitFine, "delta empty --origin origin --format bmap"); !strings.Contains(out, "<BlockSize> 4096 </BlockSize>") {
		t.Errorf("a bmap without changes: %s", out)
	}
}

// TestBackingFilesThatQEMUFinds: QEMU takes what ends with a colon for a protocol,
// and a name with dots after all links.
func TestBackingFilesThatQEMUFinds(t *testing.T) {
	b := newToolbox(t)
	origin := b.read("origin")
	if err := os.MkdirAll("deep/er", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("deep/er", "link"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a:b.img", "json:{}", "deep/c:d"} {
		b.write(name, origin)
	}
	for _, tc := range [][3]string{
		{"a:b.img", "over", "./a:b.img"}, {"json:{}", "over", "./json:{}"}, {"deep/c:d", "over", "deep/c:d"}, {"deep/c:d", "deep/over", "./c:d"},
		{"a:b.img", "link/over", "../../a:b.img"}, {"link/../c:d", "over", "deep/c:d"}, {"origin", "over", "origin"},
	} {
		b.run(exitFine, "extract store --origin origin -o "+tc[1]+" --only-changes --backing "+tc[0])
		overlay := b.read(tc[1])
		at, n := binary.BigEndian.Uint64(overlay[8:]), binary.BigEndian.Uint32(overlay[16:])
		if got := string(overlay[at:][:n]); got != tc[2] {
			t.Errorf("%s below %s is %q, want %q", tc[0], tc[1], got, tc[2])
		}
	}
	b.write("small", origin[:len(origin)-toolChunk])
	b.write("large", append(bytes.Clone(origin), 0))
	b.run(exitFine, "extract store --origin origin -o full.qcow2 --format qcow2")
	if _, complaint := b.run(exitUnknown, "extract store --origin origin -o none/over --only-changes --backing origin"); !strings.Contains(complaint, "extract: the name of the backing file: ") {
		t.Errorf("a directory that is not there: %s", complaint)
	}
	b.run(exitFine, "extract store --origin origin -o over --only-changes --backing full.qcow2")
	b.write("other.qcow2", append(bytes.Clone(b.read("full.qcow2")[:31]), append([]byte{1}, b.read("full.qcow2")[32:]...)...))
	for _, name := range []string{"small", "large", "other.qcow2"} {
		if _, complaint := b.run(exitUnknown, "extract store --origin origin -o new --only-changes --backing "+name); !strings.Contains(complaint, "not an image of it") || exists("new") {
			t.Errorf("%s: %s", name, complaint)
		}
	}
}

// TestExtractGuessesNothing: an image of an invalidated store is certain only if
// every chunk of the origin was copied.
func TestExtractGuessesNothing(t *testing.T) {
	b := newToolbox(t)
	b.write("store", cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, 0, 1), DeviceChunks: 5}.Bytes())
	b.damage(invalidate)
	b.run(exitWarning, "extract store --origin origin -o best --best-effort")
	b.write("origin", b.read("origin")[:2*toolChunk]) // both chunks are in the store
	if out, complaint := b.run(exitFine, "extract store --origin origin -o best --best-effort"); strings.Contains(out, "uncertain") || complaint != "" {
		t.Errorf("all of it is certain: %s%s", out, complaint)
	}
}

// TestExtractOfAStoreInUse: only the store of a snapshot that the kernel has given
// up is read.
func TestExtractOfAStoreInUse(t *testing.T) {
	b := newToolbox(t)
	for _, invalid := range []bool{false, true} {
		if invalid {
			b.damage(invalidate)
		}
		file, err := blockdev.Open("store")
		if err != nil {
			t.Fatal(err)
		}
		store := &storeFile{path: "store", file: file, from: file, active: &activity{by: "snapshot s"}}
		e := &extraction{c: cli.NewContext(nil, nil, &cli.Context{Context: context.Background()})}
		switch err := e.mayRead(store, nil); {
		case invalid && err != nil:
			t.Error(err)
		case !invalid && (err == nil || !strings.Contains(err.Error(), "in use by snapshot s")):
			t.Errorf("of a valid snapshot: %v", err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
