package crash

import (
	"bytes"
	"context"
	"io"
	"math"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// damage changes one entry of a log at random: its place, its kind, or its
// data. Records are changed to name any chunks, headers to have any size.
func damage(t *rapid.T, log []scripted) []scripted {
	i := rapid.IntRange(0, len(log)-1).Draw(t, "entry")
	e := log[i]
	wild := rapid.SampledFrom([]uint64{0, 1, 2, 3, 33, 34, 63, 64, 70, 1 << 20, 1 << 55, 1 << 56, 1<<63 - 1, math.MaxUint64})
	switch rapid.IntRange(0, 6).Draw(t, "damage") {
	case 0:
		log = append(log[:i:i], log[i+1:]...)
	case 1:
		log = append(log[:i:i], append([]scripted{log[rapid.IntRange(0, len(log)-1).Draw(t, "copied")]}, log[i:]...)...)
	case 2:
		e.Sector = rapid.Uint64Range(0, 200).Draw(t, "sector")
	case 3:
		e.Flags ^= logwrites.Flags(1) << rapid.IntRange(0, 1).Draw(t, "flag")
	case 4:
		if e.HasData() {
			e.data = bytes.Clone(e.data)
			at := rapid.IntRange(0, len(e.data)/16-1).Draw(t, "record") * 16
			record := cow.Exception{Old: cow.Chunk(wild.Draw(t, "old")), New: cow.Chunk(wild.Draw(t, "new"))}
			copy(e.data[at:], record.AppendTo(nil))
		}
	case 5:
		if e.HasData() {
			e.data = bytes.Clone(e.data)
			copy(e.data, cow.NewHeader(cow.Sectors(wild.Draw(t, "chunk size"))).AppendTo(nil))
		}
	case 6:
		if e.HasData() {
			e.Entry, e.data = logwrites.Entry{Sector: e.Sector, Sectors: wild.Draw(t, "sectors") >> 1, Flags: logwrites.Discard}, nil
			e.Sectors = max(1, min(e.Sectors, math.MaxUint64-e.Sector))
		}
	}
	if i < len(log) && e.HasData() == (e.data != nil) && (e.Sectors > 0 || e.Flags&(logwrites.Flush|logwrites.Mark) != 0) {
		log = append(log[:i:i], append([]scripted{e}, log[i+1:]...)...)
	}
	return log
}

// TestHostileLogs: a log damaged in a few places is explored to its end, and
// each failing state can be written as an image for which the judge reports
// the same.
func TestHostileLogs(t *testing.T) {
	m := tiny(t)
	base := m.image()
	rapid.Check(t, func(t *rapid.T) {
		entries := m.log
		for range rapid.IntRange(1, 4).Draw(t, "damages") {
			entries = damage(t, entries)
		}
		var buf bytes.Buffer
		w := logwrites.NewWriter(&buf, 512, uint64(len(entries)))
		for _, e := range entries {
			if err := w.Write(e.Entry, e.data); err != nil {
				t.Fatal(err)
			}
		}
		log, err := logwrites.Open(bytes.NewReader(buf.Bytes()), int64(buf.Len()))
		if err != nil {
			t.Fatal(err)
		}
		opt := m.options(base)
		opt.Crashes, opt.Exhaustive, opt.Reorder = 2, 128, 16
		r, err := Explore(context.Background(), log, opt)
		if err != nil {
			return
		}
		if r.FirstCorrupt != nil {
			checkCorrupt(t, m, log, opt, r.FirstCorrupt.State)
		}
	})
}

func checkCorrupt(t *rapid.T, m *machine, log *logwrites.Log, opt Options, state string) {
	s, err := ParseState(state)
	if err != nil {
		t.Fatal(err)
	}
	o, err := NewOverlay(log, s, opt.Base, opt.BaseSize)
	if err != nil {
		t.Fatal(err)
	}
	header := make([]byte, 512)
	if _, err := o.ReadAt(header, int64(m.cow.Start)*512); err != nil {
		t.Fatal(err)
	}
	if chunk, ok := chunkSizeIn(header); !ok || chunk != 1 {
		return // the header itself is gone, or is another one
	}
	section := io.NewSectionReader(o, int64(m.cow.Start)*512, int64(m.cow.Len)*512)
	r, err := verify.Verify(context.Background(), section, section.Size(), verify.Options{OriginBytes: int64(m.origin.Len) * 512})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != verify.Corrupt && r.Verdict != verify.Unrecognized {
		t.Fatalf("state %s is corrupt, and the judge says %s: %v", state, r.Verdict, r.Counts)
	}
}
