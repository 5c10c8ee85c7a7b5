package mend

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"pgregory.net/rapid"
)

func dumpOf(t interface{ Fatal(...any) }, store []byte) []byte {
	var b bytes.Buffer
	if err := Dump(ctx, bytes.NewReader(store), int64(len(store)), &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDumpRestoresByteForByte, onto the same device, and with the data onto a
// device of another size.
func TestDumpRestoresByteForByte(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newScene(anyKind(t))
		lines := dumpOf(t, s.store)
		broken := bytes.Clone(s.store)
		h, _ := cow.DecodeHeader(s.store)
		g, _ := cow.NewGeometry(h.ChunkSectors())
		for i := range g.ChunkBytes() {
			broken[g.ChunkBytes()+i] = 0xff
		}
		same := &disk{b: broken}
		p, err := Restore(ctx, bytes.NewReader(lines), same, RestoreOptions{})
		if err == nil {
			err = p.Run(ctx, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(same.b, s.store) {
			t.Fatal("the device is another one than before")
		}
		other := &disk{b: make([]byte, len(s.store)+rapid.IntRange(0, 9).Draw(t, "more")*4096)}
		for i := range other.b {
			other.b[i] = 0xa5
		}
		p, err = Restore(ctx, bytes.NewReader(lines), other, RestoreOptions{Data: &disk{b: s.store}})
		if err == nil {
			err = p.Run(ctx, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if again := dumpOf(t, other.b); !bytes.Equal(again[bytes.IndexByte(again, '\n'):], lines[bytes.IndexByte(lines, '\n'):]) {
			t.Fatal("its dump is another one")
		}
		if !bytes.Equal(view(other.b, s.origin), s.shows) {
			t.Fatal("the snapshot shows something else")
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	s := newScene(kind{chunk: 1, origin: 64 << 10, changed: 40, stale: 2, seed: 1})
	holed := kind{chunk: 1, origin: 64 << 10, changed: 20, leaked: 9, seed: 1}
	lines := string(dumpOf(t, s.store))
	small := make([]byte, len(s.store)-3*512)
	copy(small, s.store)
	elsewhere := make([]byte, len(s.store)+512)
	blank := make([]byte, len(s.store))
	copy(blank, s.store[:2*512]) // the header and an area
	var moved file
	if err := compacted(&disk{b: newScene(holed).store}, &moved, 0); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, dump string
		dev        []byte
		data       []byte
		want       error
	}{
		{"an empty file", "", s.store, nil, ErrNotDump},
		{"a store", strings.Repeat("\x00", 5000), s.store, nil, ErrNotDump},
		{"no dump", "{}\n", s.store, nil, ErrNotDump},
		{"cut off", lines[:strings.LastIndexByte(lines[:len(lines)-1], '\n')+1], s.store, nil, ErrNotDump},
		{"cut off within a line", lines[:len(lines)-9], s.store, nil, ErrNotDump},
		{"a line twice", strings.Replace(lines, `{"area":0,"slot":3`, `{"area":0,"slot":2`, 1), s.store, nil, ErrNotDump},
		{"a slot of no area", strings.Replace(lines, `{"area":0,"slot":3,`, `{"area":0,"slot":300,`, 1), s.store, nil, ErrNotDump},
		{"a wrong chunk size", strings.Replace(lines, `"chunk_sectors":1`, `"chunk_sectors":3`, 1), s.store, nil, ErrNotDump},
		{"a store of a negative size", strings.Replace(lines, `"size_bytes":`, `"size_bytes":-`, 1), s.store, nil, ErrNotDump},
		{"another magic", strings.Replace(lines, `0x70416e53`, `0x70416e54`, 1), s.store, nil, ErrNotDump},
		{"a long line", lines + strings.Repeat("x", 5000), s.store, nil, ErrNotDump},
		{"a smaller device", lines, small, s.store, ErrRoom},
		{"a device without the chunks", lines, elsewhere, nil, ErrUncertain},
		{"a new file of the same size", lines, make([]byte, len(s.store)), nil, ErrUncertain},
		{"a store whose chunks are zero", lines, blank, nil, ErrUncertain},
		{"a copy that has the chunks elsewhere", string(dumpOf(t, newScene(holed).store)), moved.b, nil, ErrUncertain},
	}
	for _, tt := range tests {
		dev := &disk{b: bytes.Clone(tt.dev)}
		opt := RestoreOptions{}
		if tt.data != nil {
			opt.Data = &disk{b: tt.data}
		}
		_, err := Restore(ctx, strings.NewReader(tt.dump), dev, opt)
		if !errors.Is(err, tt.want) || strings.Contains(fmt.Sprint(err), "token too long") {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		if !bytes.Equal(dev.b, tt.dev) {
			t.Errorf("%s: the device has changed", tt.name)
		}
	}
}

func TestDumpIsToldFromAnother(t *testing.T) {
	k := kind{chunk: 1, origin: 64 << 10, changed: 40, leaked: 5, mixed: true, stale: 2, seed: 3}
	s := newScene(k)
	lines := dumpOf(t, s.store)
	store := &disk{b: bytes.Clone(s.store)}
	p, err := Reclaim(ctx, store, ReclaimOptions{})
	mustRun(t, p, err)
	if err := CheckDump(ctx, bytes.NewReader(lines), store, nil); err != nil {
		t.Errorf("after a reclaim: %v", err)
	}
	short := bytes.Clone(store.b)
	clear(short[512:][16*20 : 512]) // the list ends after 20 exceptions
	emptied := &disk{b: short}
	if err := CheckDumpOfApply(ctx, bytes.NewReader(lines), emptied); err != nil {
		t.Errorf("half emptied: %v", err)
	}
	if err := CheckDump(ctx, bytes.NewReader(lines), emptied, nil); !errors.Is(err, ErrOtherUndo) {
		t.Errorf("with fewer exceptions: %v", err)
	}
	k.seed = 4
	if err := CheckDumpOfApply(ctx, bytes.NewReader(lines), &disk{b: newScene(k).store}); !errors.Is(err, ErrOtherUndo) {
		t.Errorf("another store, applied: %v", err)
	}
	if err := CheckDump(ctx, bytes.NewReader(lines), &disk{b: newScene(k).store}, nil); !errors.Is(err, ErrOtherUndo) {
		t.Errorf("another store: %v", err)
	}
}
