package mend

import (
	"bytes"
	"io"
	"testing"
)

// FuzzHostileStores: no store makes a dump or a plan panic, hang or write.
func FuzzHostileStores(f *testing.F) {
	s := newScene(kind{chunk: 1, origin: 64 << 10, changed: 40, leaked: 5, mixed: true, stale: 2, seed: 3})
	f.Add(s.store)
	f.Add(s.store[:700])
	f.Fuzz(func(t *testing.T, b []byte) {
		dev := &disk{b: bytes.Clone(b)}
		_ = Dump(ctx, dev, dev.Size(), io.Discard)
		origin := &disk{b: bytes.Clone(s.origin)}
		for _, plan := range []func() (*Plan, error){
			func() (*Plan, error) { return Repair(ctx, dev, RepairOptions{AssumeCanonical: true}) },
			func() (*Plan, error) { return Reclaim(ctx, dev, ReclaimOptions{}) },
			func() (*Plan, error) { p, _, err := Apply(ctx, dev, origin); return p, err },
			func() (*Plan, error) { return Revalidate(ctx, dev, RevalidateOptions{GrowBy: 4096}) },
		} {
			if p, err := plan(); err == nil {
				_ = p.Steps()
			}
		}
		if !bytes.Equal(dev.b, b) || !bytes.Equal(origin.b, s.origin) {
			t.Fatal("a plan wrote before it ran")
		}
		for _, plan := range []func(*disk) (*Plan, error){
			func(d *disk) (*Plan, error) { return Repair(ctx, d, RepairOptions{AssumeCanonical: true}) },
			func(d *disk) (*Plan, error) { return Reclaim(ctx, d, ReclaimOptions{}) },
		} {
			run := &disk{b: bytes.Clone(b)}
			before := view(b, s.origin)
			p, err := plan(run)
			if err != nil {
				continue
			}
			if err := p.Run(ctx, nil); err != nil {
				t.Fatalf("a plan that was made does not run: %v", err)
			}
			if before != nil && !bytes.Equal(view(run.b, s.origin), before) {
				t.Fatal("the snapshot shows something else")
			}
		}
	})
}

// FuzzHostileDumps: no dump makes Restore panic or write before it runs.
func FuzzHostileDumps(f *testing.F) {
	s := newScene(kind{chunk: 1, origin: 64 << 10, changed: 40, leaked: 5, stale: 2, seed: 3})
	f.Add(dumpOf(f, s.store))
	f.Fuzz(func(t *testing.T, b []byte) {
		dev := &disk{b: bytes.Clone(s.store)}
		p, err := Restore(ctx, bytes.NewReader(b), dev, RestoreOptions{})
		if !bytes.Equal(dev.b, s.store) {
			t.Fatal("a plan wrote before it ran")
		}
		if err == nil {
			_ = p.Run(ctx, nil)
		}
	})
}
