package main

import (
	"bytes"
	"encoding/binary"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestRescue: for each kind of damage, the commands, and after them a sound
// store or an image.
func TestRescue(t *testing.T) {
	b := newToolbox(t)
	if out, _ := b.run(exitFine, "rescue store --origin origin --yes"); !strings.Contains(out, "nothing to rescue; reclaim frees ") {
		t.Errorf("of a store that is only leaked: %s", out)
	}
	if out, _ := b.run(exitFine, "rescue store --origin origin --grow-by 1M --yes"); !strings.Contains(out, "note: --grow-by is not used") || len(b.read("store")) != 40*toolChunk {
		t.Errorf("of a store that is not full: %s", out)
	}
	b.run(exitUsage, "rescue store")
	b.run(exitUsage, "rescue store --origin origin --grow-by lots")
	b.run(exitUsage, "rescue store --origin origin --grow-by 0")
	b.run(exitUsage, "rescue store --origin origin --grow-by 9223372036854775808")
	b.run(exitUsage, "rescue store --origin origin -o x --activate y")
	for _, more := range []string{"", " --yes"} { // the plan and an image
		if out, _ := b.run(exitUsage, "rescue store --origin origin -o -"+more); out != "" {
			t.Errorf("-o -%s: %q", more, out)
		}
	}
	sound := b.read("store")
	b.damage(staleRecord)
	before := b.read("store")
	out, _ := b.run(exitFine, "rescue store --origin origin")
	if !strings.Contains(out, "next: dmsnapctl repair store --yes") || !bytes.Equal(b.read("store"), before) {
		t.Errorf("a stale record: the plan is %s", out)
	}
	b.run(exitFine, "rescue store --origin origin -o image --yes")
	if !bytes.Equal(b.read("image"), b.shows) || !bytes.Equal(b.read("store"), sound) {
		t.Error("a stale record: another image or store")
	}
	b.damage(func(s []byte) { binary.LittleEndian.PutUint64(s[toolChunk+8:], 1<<40) })
	damaged := b.read("store")
	b.run(exitWarning, "rescue store --origin origin -o left --yes")
	if len(b.read("left")) != len(b.shows) || !bytes.Equal(b.read("store"), damaged) {
		t.Error("of a damaged store: another size, or it was written to")
	}
	b.damage(invalidate) // as well
	b.run(exitWarning, "rescue store --origin origin --origin-unchanged -o also --yes")
	if len(b.read("also")) != len(b.shows) {
		t.Error("of a damaged, invalidated store: another size")
	}
	b.write("store", sound)
	b.damage(invalidate)
	if out, _ := b.run(exitCritical, "rescue store --origin origin --yes"); !strings.Contains(out, "may have changed") ||
		!strings.Contains(out, "next: dmsnapctl rescue store --origin origin --origin-unchanged   # if nothing was written to the origin") ||
		!strings.HasSuffix(out, "next: dmsnapctl rescue store --origin origin -o FILE --yes   # extract what is certain\n") {
		t.Errorf("an origin that may have changed: %s", out)
	}
	if out, _ := b.run(exitCritical, "rescue store --origin origin --grow-by 1M --assume-canonical --json"); !strings.Contains(out, `"command":"dmsnapctl rescue store --origin origin --assume-canonical --grow-by 1M --origin-unchanged"`) ||
		!strings.Contains(out, `"command":"dmsnapctl rescue store --origin origin --assume-canonical -o FILE --yes"`) {
		t.Errorf("what was asked for is not kept: %s", out)
	}
	if out, _ := b.run(exitFine, "rescue store --origin origin -o best --json"); !strings.Contains(out, `"advice":[]`) {
		t.Errorf("an image that is extracted: %s", out)
	}
	b.run(exitWarning, "rescue store --origin origin -o best --yes")
	if !bytes.Equal(b.read("best"), b.shows) {
		t.Error("another image")
	}
	b.run(exitFine, "rescue store --origin origin --origin-unchanged --grow-by 64K -o image --yes --json")
	b.run(exitWarning, "verify store")
	if !bytes.Equal(b.read("image"), b.shows) {
		t.Error("another image")
	}
}

// TestRescueWithoutAHeader: nobody knows whether the snapshot was invalidated, so
// what the origin supplies is certain only if somebody asserts it.
func TestRescueWithoutAHeader(t *testing.T) {
	b := newToolbox(t)
	sound := b.read("store")
	for name, damage := range map[string]func([]byte){
		"no header": func(s []byte) { clear(s[:16]); s[0] = 1 }, "another chunk size": func(s []byte) { s[12] = 3 },
	} {
		b.write("store", sound)
		b.damage(damage)
		before := b.read("store")
		out, _ := b.run(exitCritical, "rescue store --origin origin")
		if !strings.Contains(out, "next: dmsnapctl repair store --yes") || !strings.Contains(out, "note: without its header it is unknown") ||
			!strings.Contains(out, "next: dmsnapctl rescue store --origin origin --origin-unchanged ") || !bytes.Equal(b.read("store"), before) {
			t.Errorf("%s: the plan is %s", name, out)
		}
		b.run(exitCritical, "rescue store --origin origin --yes")
		b.write("store", before)
		out, said := b.run(exitWarning, "rescue store --origin origin -o left --yes")
		if !strings.Contains(out, "uncertain ") || !strings.Contains(said, "lost its header: it is read with chunks of 8 sectors") || !bytes.Equal(b.read("left"), b.shows) {
			t.Errorf("%s: %s%s", name, out, said)
		}
		if _, said = b.run(exitUnknown, "extract store --origin origin -o none"); strings.Contains(said, "lost its header") {
			t.Errorf("%s: without a best effort: %s", name, said)
		}
		if !bytes.Equal(b.read("store"), before) {
			t.Errorf("%s: the store has changed", name)
		}
		b.run(exitFine, "rescue store --origin origin --origin-unchanged -o image --yes")
		if !bytes.Equal(b.read("image"), b.shows) || !bytes.Equal(b.read("store"), sound) {
			t.Errorf("%s: another image or store", name)
		}
	}
}

// TestRescueNamesEachKindOnce: a store with more leaked ranges than fit in a line
// says how many more there are.
func TestRescueNamesEachKindOnce(t *testing.T) {
	b := newToolbox(t)
	var leaky cowtest.Store
	leaky.Chunk, leaky.DeviceChunks = 8, 60
	for k := range 20 { // every other data chunk
		leaky.Exceptions = append(leaky.Exceptions, cow.Exception{Old: cow.Chunk(k), New: cow.Chunk(3 + 2*k)})
	}
	b.write("store", leaky.Bytes())
	b.damage(invalidate)
	out, _ := b.run(exitCritical, "rescue store --origin origin")
	if !strings.Contains(out, "20 chunks (80 KiB) that no exception names, in 20 ranges: chunks 2, 4, 6, 8, 10, 12, 14, 16, and 12 more\n") || strings.Count(out, "no exception names") != 1 {
		t.Errorf("of 20 leaked ranges: %s", out)
	}
	if strings.Contains(out, "max-findings") {
		t.Errorf("a flag that rescue does not have: %s", out)
	}
}

// TestGuessedHeader: an image that is read with a guessed chunk size is no
// success, even if the store has every chunk of it.
func TestGuessedHeader(t *testing.T) {
	b := newToolbox(t)
	all := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 100)...), DeviceChunks: 110}.Bytes()
	copy(all, "no header at all")
	b.write("store", all)
	out, _ := b.run(exitWarning, "extract store --origin origin -o out --best-effort --json")
	if !strings.Contains(out, `"header":"guessed","header_chunk_sectors":8,"certain":[{"offset":0,"length":409600}],"uncertain":[]`) {
		t.Errorf("as JSON: %s", out)
	}
	out, _ = b.run(exitWarning, "extract store --origin origin -o out --best-effort")
	if !strings.Contains(out, "certain, if the chunk size of 8 sectors is right") {
		t.Errorf("as text: %s", out)
	}
	b.run(exitWarning, "rescue store --origin origin -o out --yes")
}

// TestHeaderLostAmongZeroes: with chunks of 8 KiB or more, a store without its
// header has only zeroes at its start, like a device that was never used.
func TestHeaderLostAmongZeroes(t *testing.T) {
	b := newToolbox(t)
	sound := cowtest.Store{Chunk: 16, Exceptions: cowtest.Canonical(16, 0, 40), DeviceChunks: 9}.Bytes()
	for i := 2 * 8192; i < len(sound); i++ {
		sound[i] = byte(i/7) | 1
	}
	b.write("store", sound)
	b.run(exitFine, "extract store --origin origin -o whole")
	lost := bytes.Clone(sound)
	clear(lost[:16])
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	b.write("store", lost)
	for _, line := range []string{
		"extract store --origin origin -o out", "delta store -o out", "delta store --origin origin -o out",
		"apply store --to origin --yes", "mount store --origin origin dir -- true", "size store", "reclaim store --yes", "revalidate store --origin-unchanged --yes",
	} {
		if _, complaint := b.run(exitUnknown, line); !strings.Contains(complaint, "areas of a store with chunks of 16 sectors") || strings.Count(complaint, "\n") != 1 || exists("out") {
			t.Errorf("%s: %s", line, complaint)
		}
	}
	garbage := bytes.Clone(lost) // behind the list, so that the area alone shows nothing
	copy(garbage[8192+3*16:], cow.Exception{Old: 1 << 60, New: 1 << 50}.AppendTo(nil))
	b.write("store", garbage)
	for _, line := range []string{"extract store --origin origin -o out", "delta store -o out", "apply store --to origin --yes"} {
		if _, complaint := b.run(exitUnknown, line); !strings.Contains(complaint, "areas of a store with chunks of 16 sectors") || exists("out") {
			t.Errorf("%s with garbage behind the list: %s", line, complaint)
		}
	}
	b.write("store", lost)
	if out, _ := b.run(exitCritical, "verify store"); !strings.Contains(out, "header-lost: ") || !strings.Contains(out, "next: dmsnapctl repair store --dry-run ") {
		t.Errorf("verify: %s", out)
	}
	if _, complaint := b.run(exitUnknown, "map store -o out.svg"); !strings.Contains(complaint, "corrupt: the magic number is 0, but") || exists("out.svg") {
		t.Errorf("map: %s", complaint)
	}
	if _, complaint := b.run(exitUnknown, "extract store --origin origin -o out"); !strings.Contains(complaint, "--best-effort reads it") {
		t.Errorf("extract: %s", complaint)
	}
	b.run(exitWarning, "extract store --origin origin --best-effort -o left")
	if out, _ := b.run(exitCritical, "rescue store --origin origin"); !strings.Contains(out, "next: dmsnapctl repair store --yes") {
		t.Errorf("rescue: %s", out)
	}
	if !bytes.Equal(b.read("store"), lost) {
		t.Error("the store has changed")
	}
	b.run(exitFine, "rescue store --origin origin --origin-unchanged -o image --yes")
	if want := b.read("whole"); !bytes.Equal(b.read("left"), want) || !bytes.Equal(b.read("image"), want) || !bytes.Equal(b.read("store"), sound) {
		t.Error("another image or store")
	}
	const chunk = 2 << 20 // the first area is beyond what makes a device look used
	large := cowtest.Store{Chunk: chunk / 512, Exceptions: cowtest.Canonical(chunk/512, 0), DeviceChunks: 3}.Bytes()
	clear(large[:16])
	b.write("store", large)
	if _, complaint := b.run(exitUnknown, "delta store --origin origin"); !strings.Contains(complaint, "the first at byte 2097152 (") || !strings.Contains(complaint, "zero 4 KiB at that byte") {
		t.Errorf("an area beyond a MiB: %s", complaint)
	}
	clear(large[chunk:][:4096]) // as the error says
	b.write("store", large)
	b.run(exitFine, "delta store --origin origin")
	b.write("store", make([]byte, len(sound))) // never used
	b.run(exitFine, "apply store --to origin --yes")
	b.run(exitFine, "delta store")
	b.run(exitFine, "rescue store --origin origin")
}

// TestAreasWithoutAHeaderThatAreDamaged: they show that a store was there, but not
// what its header was.
func TestAreasWithoutAHeaderThatAreDamaged(t *testing.T) {
	b := newToolbox(t)
	store := cowtest.Store{Chunk: 16, Exceptions: append(cowtest.Canonical(16, cowtest.Run(0, 600)...), cow.Exception{Old: 1, New: 2}), DeviceChunks: 700}.Bytes()
	clear(store[:16])
	b.write("store", store)
	b.run(exitCritical, "verify store")
	for _, line := range []string{
		"repair store --yes", "rescue store --origin origin --yes", "rescue store --origin origin --origin-unchanged --yes",
		"extract store --origin origin --best-effort -o out",
	} {
		if out, complaint := b.run(exitUnknown, line); !strings.Contains(complaint, "not those of a sound store") || strings.Contains(out, "next:") || exists("out") {
			t.Errorf("%s: %s%s", line, out, complaint)
		}
	}
	if !bytes.Equal(b.read("store"), store) {
		t.Error("the store has changed")
	}
}

// TestRescueOfNoStore: no step is planned that cannot work.
func TestRescueOfNoStore(t *testing.T) {
	b := newToolbox(t)
	g, _ := cow.NewGeometry(8)
	two := make([]byte, 64*toolChunk) // areas of 8 and of 16 sectors, without a header
	for i, e := range cowtest.Canonical(8, 0, 40) {
		copy(two[g.RecordOffset(0, uint64(i)):], e.AppendTo(nil))
		copy(two[2*toolChunk+16*i:], e.AppendTo(nil))
	}
	copy(two, "no header")
	for name, store := range map[string][]byte{"nothing": nil, "text": bytes.Repeat([]byte("text "), 9999), "two sizes": two} {
		b.write("store", store)
		for _, more := range []string{"", " --yes", " --origin-unchanged --yes", " -o out --yes"} {
			out, complaint := b.run(exitUnknown, "rescue store --origin origin"+more)
			if strings.Contains(out, "next:") || exists("out") || complaint == "" {
				t.Errorf("%s: rescue%s: %s%s", name, more, out, complaint)
			}
		}
		if _, complaint := b.run(exitUnknown, "repair store --yes"); strings.Contains(complaint, "best-effort") {
			t.Errorf("%s: repair advises what cannot work: %s", name, complaint)
		}
		b.run(exitUnknown, "extract store --origin origin -o out --best-effort")
		if !bytes.Equal(b.read("store"), store) {
			t.Errorf("%s: the store has changed", name)
		}
	}
}

// TestRescueWithoutAnArea: what a missing area held is lost, so no run ends as if
// nothing were, and the file does not grow.
func TestRescueWithoutAnArea(t *testing.T) {
	b := newToolbox(t)
	b.write("origin", bytes.Repeat([]byte{7}, 600*toolChunk))
	whole := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 400)...), DeviceChunks: 404}.Bytes()
	large := bytes.Clone(whole)
	large[12], large[14] = 0, 0x20 // 2097152 sectors
	for name, store := range map[string][]byte{"area 1": whole[:258*toolChunk], "area 0": whole[:toolChunk], "a damaged chunk size": large} {
		b.write("store", store)
		if _, complaint := b.run(exitCritical, "repair store --yes"); !strings.Contains(complaint, " is missing") || !strings.Contains(complaint, "extract --best-effort") {
			t.Errorf("%s: repair says %q", name, complaint)
		}
		for _, assert := range []string{"", " --origin-unchanged --assume-canonical --grow-by 1M"} {
			out, _ := b.run(exitCritical, "rescue store --origin origin --yes"+assert)
			if !strings.Contains(out, "note: an area of the list is missing") {
				t.Errorf("%s: rescue%s says %q", name, assert, out)
			}
			b.run(exitWarning, "rescue store --origin origin -o left --yes"+assert)
		}
		if !bytes.Equal(b.read("store"), store) {
			t.Errorf("%s: the store has changed", name)
		}
	}
}

// TestRescueAssumesNoLayout: on a leaky kernel the canonical place of a damaged
// exception need not be its own.
func TestRescueAssumesNoLayout(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "reclaim store --to anew --yes") // in the canonical order
	b.write("store", b.read("anew"))
	b.damage(beyond)
	damaged := b.read("store")
	if out, _ := b.run(exitCritical, "rescue store --origin origin --yes"); !strings.Contains(out, "note: where damaged exceptions have their data is not certain") ||
		!strings.Contains(out, "next: dmsnapctl rescue store --origin origin --assume-canonical ") || !bytes.Equal(b.read("store"), damaged) {
		t.Errorf("without an assumption: %s", out)
	}
	b.run(exitFine, "rescue store --origin origin --assume-canonical --yes")
	b.run(exitFine, "extract store --origin origin -o image")
	if !bytes.Equal(b.read("image"), b.shows) {
		t.Error("another image")
	}
}

// TestRescueOfAFullStore: its leaked chunks are freed, and its file grows.
func TestRescueOfAFullStore(t *testing.T) {
	b := newToolbox(t)
	full := func(bytes int) { b.write("store", b.read("store")[:bytes]) }
	full(25 * toolChunk)
	out, _ := b.run(exitFine, "rescue store --origin origin")
	if !strings.Contains(out, "next: dmsnapctl reclaim store --yes") || !strings.Contains(out, "add --grow-by SIZE") {
		t.Errorf("a full store with leaks: %s", out)
	}
	b.run(exitFine, "rescue store --origin origin --yes")
	b.run(exitFine, "verify store")
	full(22 * toolChunk)
	out, _ = b.run(exitWarning, "rescue store --origin origin --yes")
	if !strings.Contains(out, "note: the store is full; add --grow-by SIZE to enlarge it\n") || strings.Contains(out, "next:") {
		t.Errorf("a full store: %s", out)
	}
	if out, _ = b.run(exitFine, "rescue store --origin origin --grow-by 5000 --json"); strings.Contains(out, "not used") || !strings.Contains(out, `"steps":["dmsnapctl grow store --by 5000 --yes","dmsnapctl verify store --origin origin"]`) {
		t.Errorf("with --grow-by: %s", out)
	}
	b.run(exitFine, "rescue store --origin origin --grow-by 5000 -o image --yes")
	if n := len(b.read("store")); n != 24*toolChunk || !bytes.Equal(b.read("image"), b.shows) {
		t.Errorf("the store has %d bytes", n)
	}
	b.run(exitFine, "verify store")
	b.damage(invalidate)
	full(22 * toolChunk)
	if out, _ = b.run(exitWarning, "rescue store --origin origin --origin-unchanged"); !strings.Contains(out, "add --grow-by SIZE") {
		t.Errorf("a full, invalidated store: %s", out)
	}
}

// TestRescueOfADamagedInvalidStore: what is certain is repaired before the store
// is made valid. What was cut off does not come back as zeros.
func TestRescueOfADamagedInvalidStore(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "reclaim store --to anew --yes") // in the canonical order
	sound := b.read("anew")
	b.write("store", sound)
	b.damage(beyond)
	b.damage(invalidate)
	const line = "rescue store --origin origin --origin-unchanged --assume-canonical --grow-by 1M --yes"
	if out, _ := b.run(exitFine, line); !strings.Contains(out, "note: where the damage cannot be repaired with certainty, -o FILE extracts what is left\n") {
		t.Errorf("of a damaged store: %s", out)
	}
	b.run(exitFine, "extract store --origin origin -o image")
	if !bytes.Equal(b.read("image"), b.shows) {
		t.Error("another image")
	}
	b.write("store", sound[:20*toolChunk])
	b.damage(invalidate)
	cut := b.read("store")
	b.run(exitCritical, line)
	if !bytes.Equal(b.read("store"), cut) {
		t.Error("a store that was cut off has changed")
	}
}

// TestRescueOfAStoreInUse: what needs an idle store is not begun.
func TestRescueOfAStoreInUse(t *testing.T) {
	w := rescuing{c: cli.NewContext(cli.NewApp(), flag.NewFlagSet("", flag.ContinueOnError), nil), path: "store", user: "snapshot s", snapshot: "s"}
	w.report = &verify.Report{Verdict: verify.Stale, Counts: map[verify.Code]uint64{verify.StaleRecord: 1}}
	if code := w.plan(); code != exitUnknown || len(w.said.Notes) != 1 || !strings.HasPrefix(w.said.Notes[0], "the store is in use by snapshot s: ") {
		t.Errorf("exit code %d, notes %q", code, w.said.Notes)
	}
	w.report, w.steps, w.said.Notes = &verify.Report{Verdict: verify.Clean}, nil, nil
	if code := w.plan(); code != exitFine || len(w.steps) > 0 || len(w.said.Notes) > 0 {
		t.Errorf("nothing is wrong: exit code %d, steps %v, notes %q", code, w.steps, w.said.Notes)
	}
}

// TestRescueInWords: each step is a command of the program, and each note is said
// in words of its own.
func TestRescueInWords(t *testing.T) {
	w := rescuing{c: cli.NewContext(cli.NewApp(), flag.NewFlagSet("", flag.ContinueOnError), nil), path: "store"}
	lines, remarks := map[string]bool{}, map[string]bool{}
	for s := dmctl.RescueHeader; s <= dmctl.RescueActivation; s++ {
		c := w.command(s)
		if !slices.ContainsFunc(makers(run), func(m maker) bool { return m.name == c.args[0] }) {
			t.Errorf("step %d: %s", s, c)
		}
		lines[c.String()+c.why] = true
	}
	for n := dmctl.RescueOriginMayDiffer; n <= dmctl.RescueHeld; n++ {
		remarks[w.remark(n)] = true
	}
	if len(lines) != int(dmctl.RescueActivation) || len(remarks) != int(dmctl.RescueHeld) {
		t.Errorf("%d steps and %d notes differ", len(lines), len(remarks))
	}
}

// TestGrowOfAFile that no snapshot uses.
func TestGrowOfAFile(t *testing.T) {
	b := newToolbox(t)
	b.run(exitUsage, "grow store --yes")
	b.run(exitUsage, "grow store --by 0 --yes")
	b.run(exitUsage, "grow store --by 1M") // nobody answers yes
	b.run(exitFine, "grow store --by 1M --dry-run")
	if n := len(b.read("store")); n != 40*toolChunk {
		t.Errorf("the file has %d bytes", n)
	}
	b.run(exitFine, "grow store --by 1M --yes")
	if n := len(b.read("store")); n != 40*toolChunk+1<<20 {
		t.Errorf("the file has %d bytes", n)
	}
	b.run(exitUnknown, "grow origin --by 1M --yes")
	b.damage(invalidate)
	b.run(exitCritical, "grow store --by 1M --yes")
}
