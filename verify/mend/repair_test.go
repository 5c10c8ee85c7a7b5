package mend

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// TestRepairFindsALostHeader: it takes the chunk size from the areas.
func TestRepairFindsALostHeader(t *testing.T) {
	for _, chunk := range []cow.Sectors{1, 2, 8, 64} {
		s := newScene(kind{chunk: chunk, origin: 200 * int(chunk) * 512, changed: 40, mixed: true, leaked: 3, seed: 9})
		for name, lose := range map[string]func([]byte){
			"zeroes": func(b []byte) { clear(b[:16]) }, "garbage": func(b []byte) { copy(b, "garbage of all sorts") },
			"the chunk size": func(b []byte) { b[12] = 3 },
		} {
			store := &disk{b: bytes.Clone(s.store)}
			lose(store.b)
			p, err := Repair(ctx, store, RepairOptions{})
			if err != nil {
				t.Fatalf("%s, chunks of %d sectors: %v", name, chunk, err)
			}
			if !strings.Contains(strings.Join(p.Steps(), "\n"), "chunks of "+count.Of(chunk, "sector")+",") {
				t.Errorf("the plan does not show the header: %q", p.Steps())
			}
			mustRun(t, p, nil)
			if !bytes.Equal(view(store.b, s.origin), s.shows) {
				t.Errorf("%s, chunks of %d sectors: the snapshot shows something else", name, chunk)
			}
		}
	}
	if _, err := Repair(ctx, &disk{b: make([]byte, 1<<20)}, RepairOptions{}); !errors.Is(err, verify.ErrNotStore) {
		t.Errorf("a blank device: %v", err)
	}
}

// TestRepairInventsNothing: a store that is not certain is refused, and not
// changed.
func TestRepairInventsNothing(t *testing.T) {
	g, _ := cow.NewGeometry(2)
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, spare: 9, seed: 4})
	record := func(b []byte, k uint64, new cow.Chunk) {
		copy(b[g.RecordOffset(k/64, k%64):], cow.Exception{Old: s.spec.Exceptions[k].Old, New: new}.AppendTo(nil))
	}
	tests := []struct {
		name   string
		damage func([]byte)
		opt    RepairOptions
		want   error
	}{
		{"without the assumption", func(b []byte) { record(b, 5, 1<<40) }, RepairOptions{}, verify.ErrDamaged},
		{"two have changed places", func(b []byte) { record(b, 5, g.DataChunk(6)); record(b, 6, g.DataChunk(5)) }, RepairOptions{AssumeCanonical: true}, ErrUncertain},
		{"a chunk of its own", func(b []byte) { record(b, 5, g.DataChunk(74)) }, RepairOptions{AssumeCanonical: true}, ErrUncertain},
		{"most are damaged", func(b []byte) {
			for k := range uint64(60) {
				record(b, k, 1<<40)
			}
		}, RepairOptions{AssumeCanonical: true}, ErrUncertain},
		{"an origin chunk is damaged", func(b []byte) {
			copy(b[g.RecordOffset(0, 5):], cow.Exception{Old: 1 << 40, New: g.DataChunk(5)}.AppendTo(nil))
		},
			RepairOptions{AssumeCanonical: true, OriginBytes: 120 << 10}, verify.ErrDamaged},
	}
	for _, tt := range tests {
		store := bytes.Clone(s.store)
		tt.damage(store)
		dev := &disk{b: bytes.Clone(store)}
		if _, err := Repair(ctx, dev, tt.opt); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if !bytes.Equal(dev.b, store) {
			t.Errorf("%s: the store has changed", tt.name)
		}
	}
	// A number that repeats another one is certain.
	dev := &disk{b: bytes.Clone(s.store)}
	record(dev.b, 5, g.DataChunk(60))
	p, err := Repair(ctx, dev, RepairOptions{AssumeCanonical: true})
	mustRun(t, p, err)
	if !bytes.Equal(dev.b, s.store) {
		t.Error("the damaged number did not get its canonical place")
	}
}

// TestRepairGrowsACutOffFile if no exception names the missing part.
func TestRepairGrowsACutOffFile(t *testing.T) {
	s := newScene(kind{chunk: 1, origin: 64 << 10, changed: 32, seed: 2}) // fills area 0
	g, _ := cow.NewGeometry(1)
	cut := int(g.AreaChunk(1)) * 512
	dev := &disk{b: bytes.Clone(s.store[:cut])}
	p, err := Repair(ctx, dev, RepairOptions{})
	mustRun(t, p, err)
	if len(dev.b) != cut+512 || !bytes.Equal(view(dev.b, s.origin), s.shows) {
		t.Errorf("%d bytes, want %d, or the snapshot shows something else", len(dev.b), cut+512)
	}
	if _, err := Repair(ctx, &disk{b: bytes.Clone(s.store[:cut-512])}, RepairOptions{}); !errors.Is(err, verify.ErrDamaged) {
		t.Errorf("a chunk that is named is cut off: %v", err)
	}
	if _, err := Repair(ctx, fixed{&disk{b: bytes.Clone(s.store[:cut])}}, RepairOptions{}); !errors.Is(err, ErrRoom) {
		t.Errorf("a device: %v", err)
	}
}
