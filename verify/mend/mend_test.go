package mend

import (
	"bytes"
	"context"
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

func anyKind(t *rapid.T) kind {
	k := kind{
		chunk:   1 << rapid.IntRange(0, 3).Draw(t, "chunk"),
		changed: rapid.IntRange(1, 150).Draw(t, "changed"),
		leaked:  rapid.IntRange(0, 30).Draw(t, "leaked"),
		mixed:   rapid.Bool().Draw(t, "mixed"),
		spare:   rapid.IntRange(0, 40).Draw(t, "spare"),
		seed:    rapid.Uint64().Draw(t, "seed"),
	}
	k.origin = int(k.chunk) * 512 * rapid.IntRange(k.changed, 300).Draw(t, "origin chunks")
	if room := int(k.chunk)*32 - k.changed%(int(k.chunk)*32) - 1; room > 0 {
		k.stale = rapid.IntRange(0, min(room, 5)).Draw(t, "stale")
	}
	return k
}

// TestReclaimGivesAllLeakedChunksBack: the used part of the store is
// canonical, the store shows the same, and a new store of the smallest size
// can hold it too.
func TestReclaimGivesAllLeakedChunksBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := anyKind(t)
		s := newScene(k)
		store := &disk{b: bytes.Clone(s.store)}
		most := rapid.SampledFrom([]int{0, 1, 3}).Draw(t, "moves to a plan")
		for runs := 0; ; runs++ {
			p, err := Reclaim(ctx, store, ReclaimOptions{MostMoves: most, BatchBytes: rapid.Int64Range(1, 20000).Draw(t, "batch")})
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Stages) == 0 {
				break
			}
			if err := p.Run(ctx, nil); err != nil {
				t.Fatal(err)
			}
			if runs > k.leaked+2 {
				t.Fatal("it does not end")
			}
		}
		r, err := verify.Verify(ctx, store, store.Size(), verify.Options{})
		if err != nil || r.Verdict != verify.Clean || r.Leaks.Chunks != 0 {
			t.Fatalf("%s with %d leaked chunks, %v", r.Verdict, r.Leaks.Chunks, err)
		}
		g, _ := cow.NewGeometry(k.chunk)
		if want := g.DataChunk(uint64(k.changed-1)) + 1; g.SkipMetadata(want) != r.Usage.NextFreeChunk && want != r.Usage.NextFreeChunk {
			t.Fatalf("the next free chunk is %d, want %d", r.Usage.NextFreeChunk, want)
		}
		if !bytes.Equal(view(store.b, s.origin), s.shows) {
			t.Fatal("the snapshot shows something else")
		}
		var compact file
		size := int64(g.ChunksFor(uint64(k.changed))) * g.ChunkBytes()
		if err := compacted(&disk{b: bytes.Clone(s.store)}, &compact, size); err != nil {
			t.Fatal(err)
		}
		if verdict(compact.b) != verify.Clean || !bytes.Equal(view(compact.b, s.origin), s.shows) {
			t.Fatalf("the new store is %s, or shows something else", verdict(compact.b))
		}
		if _, err := PlanCompaction(ctx, &disk{b: s.store}, size-g.ChunkBytes()); !errors.Is(err, ErrRoom) {
			t.Fatalf("into a chunk less: %v", err)
		}
	})
}

// compacted writes a store without holes to a new file.
func compacted(d blockdev.Device, w image.Sink, size int64) error {
	c, err := PlanCompaction(ctx, d, size)
	if err != nil {
		return err
	}
	return c.Write(ctx, w, nil)
}

// file is an image.Sink in memory.
type file struct{ b []byte }

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if end := int(off) + len(p); end > len(f.b) {
		f.b = append(f.b, make([]byte, end-len(f.b))...)
	}
	return copy(f.b[off:], p), nil
}

func (f *file) Truncate(n int64) error {
	f.b = append(f.b[:min(len(f.b), int(n))], make([]byte, max(0, int(n)-len(f.b)))...)
	return nil
}

// fixed is a device that cannot grow.
type fixed struct{ d *disk }

func (f fixed) ReadAt(p []byte, off int64) (int, error) { return f.d.ReadAt(p, off) }

func (f fixed) WriteAt(p []byte, off int64) (int, error) { return f.d.WriteAt(p, off) }

func (f fixed) Size() int64 { return f.d.Size() }

func (f fixed) Flush() error { return f.d.Flush() }

// TestUndoOfOverwrites: for everything that a plan overwrites, applying the
// undo store restores the old content. A store that lacks a part belongs to
// another change.
func TestUndoOfOverwrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := make([]byte, 512*rapid.IntRange(8, 400).Draw(t, "sectors"))
		for i := range before {
			before[i] = byte(i/512) | 1
		}
		dev := &disk{b: bytes.Clone(before)}
		var written []write
		for at := rapid.IntRange(0, len(before)-1).Draw(t, "first"); at < len(before); {
			n := rapid.IntRange(1, min(9000, len(before)-at)).Draw(t, "bytes")
			written = append(written, write{int64(at), make([]byte, n)})
			at += n + rapid.IntRange(0, 30000).Draw(t, "gap")
		}
		written = append(written, written[0]) // as a header is written twice
		planOf := func(writes ...write) func(blockdev.Device) (*Plan, error) {
			return func(on blockdev.Device) (*Plan, error) {
				p := &Plan{}
				for _, w := range writes {
					p.Stages = append(p.Stages, Stage{device: on, writes: those(w)})
				}
				return p, nil
			}
		}
		p, _ := planOf(written...)(dev)
		var undo file
		if err := WriteUndo(ctx, p, dev, &undo, nil); err != nil {
			t.Fatal(err)
		}
		if err := CheckUndo(ctx, planOf(written...), dev, bytes.NewReader(undo.b), int64(len(undo.b))); err != nil {
			t.Errorf("its own undo store: %v", err)
		}
		all := planOf(write{0, make([]byte, len(before))})
		if err := CheckUndo(ctx, all, dev, bytes.NewReader(undo.b), int64(len(undo.b))); len(undo.b) < len(before) && !errors.Is(err, ErrOtherUndo) {
			t.Errorf("of a plan that overwrites everything: %v", err)
		}
		stop, cancel := context.WithCancel(ctx) // after a piece
		if left := rapid.IntRange(1, 30).Draw(t, "pieces"); true {
			_ = p.Run(stop, func(Progress) {
				if left--; left == 0 {
					cancel()
				}
			})
		}
		cancel()
		if err := CheckUndo(ctx, planOf(written...), dev, bytes.NewReader(undo.b), int64(len(undo.b))); err != nil {
			t.Errorf("its own undo store, after a part of the run: %v", err)
		}
		foreign := &disk{b: bytes.Clone(dev.b)}
		foreign.b[written[0].at] = 2 // neither old nor new
		if err := CheckUndo(ctx, planOf(written...), foreign, bytes.NewReader(undo.b), int64(len(undo.b))); !errors.Is(err, ErrOtherUndo) {
			t.Errorf("a device that was written to meanwhile: %v", err)
		}
		if err := p.Run(ctx, nil); err != nil {
			t.Fatal(err)
		}
		if back := view(undo.b, dev.b); !bytes.Equal(back, before) {
			t.Error("the undo store shows something else")
		}
	})
}

// dark is a device that cannot be read.
type dark struct{ fixed }

func (dark) ReadAt([]byte, int64) (int, error) { return 0, errors.New("it was read") }

// TestUndoOfARestoreReadsNoData: where the data goes is known from the dump.
func TestUndoOfARestoreReadsNoData(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 60, leaked: 13, mixed: true, seed: 6})
	var lines bytes.Buffer
	if err := Dump(ctx, bytes.NewReader(s.store), int64(len(s.store)), &lines); err != nil {
		t.Fatal(err)
	}
	before := bytes.Repeat([]byte{7}, len(s.store))
	dev := &disk{b: bytes.Clone(before)}
	p, err := Restore(ctx, bytes.NewReader(lines.Bytes()), dev, RestoreOptions{Data: dark{fixed{&disk{b: s.store}}}})
	if err != nil {
		t.Fatal(err)
	}
	var undo file
	if err := WriteUndo(ctx, p, dev, &undo, nil); err != nil {
		t.Fatal(err)
	}
	p, err = Restore(ctx, bytes.NewReader(lines.Bytes()), dev, RestoreOptions{Data: &disk{b: s.store}})
	mustRun(t, p, err)
	if bytes.Equal(dev.b, before) || !bytes.Equal(view(undo.b, dev.b), before) {
		t.Error("the undo store shows something else")
	}
}

// TestGrow: the file of a sound store gets more whole chunks, and shows the same.
func TestGrow(t *testing.T) {
	s := newScene(kind{chunk: 8, origin: 120 << 10, changed: 20, leaked: 3, seed: 4})
	for _, by := range []int64{0, -1, math.MaxInt64} {
		if _, err := Grow(ctx, &disk{b: bytes.Clone(s.store)}, by); !errors.Is(err, ErrRoom) {
			t.Errorf("by %d: %v", by, err)
		}
	}
	if _, err := Grow(ctx, fixed{&disk{b: bytes.Clone(s.store)}}, 4096); !errors.Is(err, ErrRoom) {
		t.Errorf("a device that cannot grow: %v", err)
	}
	dev := &disk{b: bytes.Clone(s.store)}
	p, err := Grow(ctx, dev, 4097)
	mustRun(t, p, err)
	if want := (len(s.store) + 2*4096) / 4096 * 4096; len(dev.b) != want || !bytes.Equal(dev.b[:len(s.store)], s.store) {
		t.Errorf("%d bytes, want %d", len(dev.b), want)
	}
	invalidated(dev.b)
	if _, err := Grow(ctx, dev, 4096); !errors.Is(err, verify.ErrInvalid) {
		t.Errorf("an invalidated store: %v", err)
	}
}

func TestPlansRefuseDamage(t *testing.T) {
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, spare: 9, seed: 4})
	g, _ := cow.NewGeometry(2)
	damaged, invalid := bytes.Clone(s.store), bytes.Clone(s.store)
	copy(damaged[g.RecordOffset(0, 5):], cow.Exception{Old: 5, New: 1 << 40}.AppendTo(nil))
	h, _ := cow.DecodeHeader(invalid)
	h.Valid = 0
	copy(invalid, h.AppendTo(nil))
	plans := map[string]func(d, o *disk) error{
		"reclaim":    func(d, _ *disk) error { _, err := Reclaim(ctx, d, ReclaimOptions{}); return err },
		"apply":      func(d, o *disk) error { _, _, err := Apply(ctx, d, o); return err },
		"revalidate": func(d, _ *disk) error { _, err := Revalidate(ctx, d, RevalidateOptions{}); return err },
		"compact":    func(d, _ *disk) error { return compacted(d, &file{}, 0) },
	}
	for name, plan := range plans {
		if err := plan(&disk{b: bytes.Clone(damaged)}, &disk{b: s.origin}); err == nil {
			t.Errorf("%s of a damaged store: no error", name)
		}
		takesInvalid := name == "revalidate" || name == "compact"
		if err := plan(&disk{b: bytes.Clone(invalid)}, &disk{b: s.origin}); (err == nil) != takesInvalid {
			t.Errorf("%s of an invalidated store: %v", name, err)
		}
		if err := plan(&disk{b: make([]byte, 1<<20)}, &disk{b: s.origin}); err == nil && name != "apply" {
			t.Errorf("%s of a fresh store: no error", name)
		}
	}
}

// TestOneDevice: a device is not written while it is read, whoever calls.
func TestOneDevice(t *testing.T) {
	s := newScene(kind{chunk: 1, origin: 40 << 10, changed: 9})
	store := &disk{b: bytes.Clone(s.store)}
	if _, _, err := Apply(ctx, store, store); !errors.Is(err, ErrOneDevice) {
		t.Errorf("apply: %v", err)
	}
	if _, err := Restore(ctx, bytes.NewReader(dumpOf(t, s.store)), store, RestoreOptions{Data: store}); !errors.Is(err, ErrOneDevice) {
		t.Errorf("restore: %v", err)
	}
	if !bytes.Equal(store.b, s.store) {
		t.Error("the store was changed")
	}
}

// TestOriginUndo: the undo store restores the origin, is kept by a second run,
// and is distinguished from others.
func TestOriginUndo(t *testing.T) {
	s := newScene(kind{chunk: 1, origin: 40<<10 + 512, changed: 40, mixed: true, seed: 3})
	store, origin := &disk{b: bytes.Clone(s.store)}, &disk{b: bytes.Clone(s.origin)}
	p, im, err := Apply(ctx, store, origin)
	if err != nil {
		t.Fatal(err)
	}
	var undo file
	if err := WriteOriginUndo(ctx, im, origin, &undo, nil); err != nil {
		t.Fatal(err)
	}
	_ = im.Close()
	if err := CheckOriginUndo(ctx, store, origin, bytes.NewReader(undo.b), int64(len(undo.b)), nil); err != nil {
		t.Error(err)
	}
	other := newScene(kind{chunk: 1, origin: 40<<10 + 512, changed: 30, seed: 5})
	if err := CheckOriginUndo(ctx, store, origin, bytes.NewReader(other.store), int64(len(other.store)), nil); !errors.Is(err, ErrOtherUndo) {
		t.Errorf("another store as undo file: %v", err)
	}
	mustRun(t, p, nil)
	if !bytes.Equal(origin.b, s.shows) {
		t.Fatal("the origin is not the image")
	}
	p, _, err = Apply(ctx, &disk{b: undo.b}, origin)
	mustRun(t, p, err)
	if !bytes.Equal(origin.b, s.origin) {
		t.Error("the origin did not come back")
	}
}
