package mend

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// TestRevalidateWantsRoom: without room the next write would invalidate the
// snapshot again.
func TestRevalidateWantsRoom(t *testing.T) {
	for _, changed := range []int{31, 20} { // 31: the next exception fills area 0
		s := newScene(kind{chunk: 1, origin: 64 << 10, changed: changed, seed: 3})
		g, _ := cow.NewGeometry(1)
		store := s.store[:int(g.DataChunk(uint64(changed)))*512]
		invalidated(store)
		if _, err := Revalidate(ctx, &disk{b: bytes.Clone(store)}, RevalidateOptions{}); !errors.Is(err, ErrRoom) {
			t.Errorf("%d exceptions in a full store: %v", changed, err)
		}
		if _, err := Revalidate(ctx, fixed{&disk{b: bytes.Clone(store)}}, RevalidateOptions{GrowBy: 4096}); !errors.Is(err, ErrRoom) {
			t.Errorf("a device that cannot grow: %v", err)
		}
		dev := &disk{b: bytes.Clone(store)}
		if _, err := Revalidate(ctx, dev, RevalidateOptions{GrowBy: math.MaxInt64}); !errors.Is(err, ErrRoom) {
			t.Errorf("growing beyond any file: %v", err)
		}
		p, err := Revalidate(ctx, dev, RevalidateOptions{GrowBy: 4096})
		mustRun(t, p, err)
		if len(dev.b) != len(store)+4096 || verdict(dev.b) != verify.Clean || !bytes.Equal(view(dev.b, s.origin), s.shows) {
			t.Errorf("%d exceptions: %d bytes, %s", changed, len(dev.b), verdict(dev.b))
		}
		p, err = Revalidate(ctx, dev, RevalidateOptions{GrowBy: 4096})
		if err != nil || len(p.Stages) != 0 {
			t.Errorf("a valid store: %v, %v", p, err)
		}
	}
}

// TestRevalidateGrowsOnce: a run that was interrupted after it grew the file is
// finished by the same run, and the file keeps its size. Room that is there is
// enough.
func TestRevalidateGrowsOnce(t *testing.T) {
	for _, spare := range []int{0, 1, 7, 8, 9} {
		s := newScene(kind{chunk: 8, origin: 120 << 10, changed: 20, seed: 4})
		g, _ := cow.NewGeometry(8)
		used := s.store[:int(g.DataChunk(20))*4096]
		dev := &disk{b: append(bytes.Clone(used), make([]byte, spare*4096)...)}
		invalidated(dev.b)
		const by = 8 * 4096
		want := len(dev.b) + by
		if spare >= 8 {
			want = len(dev.b)
		}
		p, err := Revalidate(ctx, dev, RevalidateOptions{GrowBy: by})
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Stages[0].run(ctx, func(int) {}); err != nil { // and then it is killed
			t.Fatal(err)
		}
		invalidated(dev.b)
		p, err = Revalidate(ctx, dev, RevalidateOptions{GrowBy: by})
		mustRun(t, p, err)
		if len(dev.b) != want || verdict(dev.b) != verify.Clean || !bytes.Equal(view(dev.b, s.origin), s.shows) {
			t.Errorf("%d spare chunks: %d bytes, want %d; %s", spare, len(dev.b), want, verdict(dev.b))
		}
	}
}

// TestRevalidateInventsNothing: growing a file that was cut off would bring its
// chunks back as zeros.
func TestRevalidateInventsNothing(t *testing.T) {
	s := newScene(kind{chunk: 8, origin: 120 << 10, changed: 20, seed: 4})
	g, _ := cow.NewGeometry(8)
	cut := bytes.Clone(s.store[:int(g.DataChunk(19))*4096])
	invalidated(cut)
	dev := &disk{b: bytes.Clone(cut)}
	if p, err := Revalidate(ctx, dev, RevalidateOptions{GrowBy: 1 << 20}); !errors.Is(err, verify.ErrDamaged) {
		t.Errorf("a chunk was cut off: %v, %v", p, err)
	}
}

// invalidated marks a store invalid, as the kernel does.
func invalidated(store []byte) {
	h, _ := cow.DecodeHeader(store)
	h.Valid = 0
	copy(store, h.AppendTo(nil))
}
