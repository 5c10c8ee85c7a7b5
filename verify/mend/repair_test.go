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
			if v := verdict(store.b); v != verify.Invalid {
				t.Errorf("%s, chunks of %d sectors: the store is %s, though nobody knows whether it was valid", name, chunk, v)
			}
			store.b[4] = 1
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

// TestRepairDoesNotReplaceAMissingArea: what it held is unknown, though no
// exception names a missing chunk. Neither a damaged chunk size nor an
// invalidated store changes that, nor a file that may grow.
func TestRepairDoesNotReplaceAMissingArea(t *testing.T) {
	s := newScene(kind{chunk: 1, origin: 64 << 10, changed: 50, seed: 2}) // fills area 0
	g, _ := cow.NewGeometry(1)
	cut := s.store[:int(g.AreaChunk(1))*512]
	large := bytes.Clone(s.store)
	large[12], large[14] = 0, 0x20 // 2097152 sectors
	invalid := bytes.Clone(cut)
	invalid[4] = 0
	for name, store := range map[string][]byte{"the last area": cut, "area 0": s.store[:512], "another chunk size": large, "of an invalidated store": invalid} {
		for how, plan := range map[string]func(*disk) (*Plan, error){
			"repair":     func(d *disk) (*Plan, error) { return Repair(ctx, d, RepairOptions{AssumeCanonical: true}) },
			"revalidate": func(d *disk) (*Plan, error) { return Revalidate(ctx, d, RevalidateOptions{GrowBy: 1 << 20}) },
		} {
			dev := &disk{b: bytes.Clone(store)}
			if _, err := plan(dev); !errors.Is(err, verify.ErrDamaged) || !strings.Contains(err.Error(), "is missing") {
				t.Errorf("%s, %s: %v", name, how, err)
			}
			if !bytes.Equal(dev.b, store) {
				t.Errorf("%s, %s: the store has changed", name, how)
			}
		}
	}
	if _, err := Repair(ctx, &disk{b: bytes.Clone(cut[:len(cut)-512])}, RepairOptions{}); err == nil {
		t.Error("a chunk that is named is cut off: no error")
	}
}

// TestRepairSeesDataOutsideTheCanonicalLayout: a leaky kernel put an exception
// after all others, and its record is damaged. Its canonical place is not its
// own.
func TestRepairSeesDataOutsideTheCanonicalLayout(t *testing.T) {
	g, _ := cow.NewGeometry(2)
	s := newScene(kind{chunk: 2, origin: 120 << 10, changed: 70, spare: 9, seed: 4})
	store := bytes.Clone(s.store)
	from, to := g.DataChunk(50), g.DataChunk(70)
	copy(store[int(to)*1024:][:1024], store[int(from)*1024:])
	copy(store[g.RecordOffset(0, 50):], cow.Exception{Old: s.spec.Exceptions[50].Old, New: to | 1<<40}.AppendTo(nil))
	if _, err := Repair(ctx, &disk{b: store}, RepairOptions{AssumeCanonical: true}); !errors.Is(err, ErrUncertain) {
		t.Errorf("%v, want %v", err, ErrUncertain)
	}
	clear(store[int(to)*1024:][:1024])
	p, err := Repair(ctx, &disk{b: store}, RepairOptions{AssumeCanonical: true})
	mustRun(t, p, err)
	if !bytes.Equal(store, s.store) {
		t.Error("without data there, the damaged number did not get its canonical place")
	}
}

// TestWithHeader: a store that lost its header is read as a repair would leave it,
// and any other as it is.
func TestWithHeader(t *testing.T) {
	s := newScene(kind{chunk: 4, origin: 64 << 10, changed: 20, seed: 7})
	for _, damage := range []func([]byte){
		func(b []byte) { clear(b[:cow.HeaderSize]) },
		func(b []byte) { copy(b, "no header at all") },
		func(b []byte) { b[12] = 3 },
	} {
		lost := bytes.Clone(s.store)
		damage(lost)
		dev := &disk{b: bytes.Clone(lost)}
		with, chunk, err := WithHeader(ctx, dev, int64(len(s.origin)))
		if err != nil || chunk != 4 {
			t.Fatalf("chunks of %d sectors, %v", chunk, err)
		}
		got := make([]byte, len(lost))
		if _, err := with.ReadAt(got, 0); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(dev.b, lost) {
			t.Error("the store has changed")
		}
		p, err := Repair(ctx, dev, RepairOptions{})
		mustRun(t, p, err)
		if !bytes.Equal(got, dev.b) {
			t.Error("it is not what a repair leaves")
		}
	}
	for name, b := range map[string][]byte{"a sound store": s.store, "no store": bytes.Repeat([]byte{7}, 1<<20), "a fresh store": make([]byte, 1<<20), "nothing": nil} {
		dev := &disk{b: b}
		if with, chunk, err := WithHeader(ctx, dev, 0); err != nil || chunk != 0 || with != Readable(dev) {
			t.Errorf("%s: chunks of %d sectors, %v, as it is: %v", name, chunk, err, with == Readable(dev))
		}
	}
}
