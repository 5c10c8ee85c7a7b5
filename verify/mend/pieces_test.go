package mend

import (
	"bytes"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

const mostWrite = 1 << 20 // bytes: see package transfer

// TestWritesAreNotLarger: all plans write in pieces of 1 MiB at most.
func TestWritesAreNotLarger(t *testing.T) {
	s := newScene(kind{chunk: 8, origin: 3 << 20, changed: 768, seed: 1})
	inOrder := bytes.Clone(s.store) // all of the origin, one run
	for i := range s.spec.Exceptions {
		s.spec.Exceptions[i].Old = s.spec.Exceptions[i].New - 2
	}
	var log []op
	store, origin := &disk{b: inOrder, log: &log}, &disk{b: bytes.Clone(s.origin), id: 1, log: &log}
	p, im, err := Apply(ctx, store, origin)
	mustRun(t, p, err)
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(origin.b, s.shows) {
		t.Error("the origin has something else")
	}
	largest := 0
	for _, o := range log {
		largest = max(largest, len(o.data))
	}
	if largest != mostWrite {
		t.Errorf("the largest write has %d bytes", largest)
	}
}

// watched is a device that counts reads, and calls back before each write.
type watched struct {
	*disk
	reads  atomic.Int32
	writes func(at int64)
}

func (w *watched) ReadAt(p []byte, off int64) (int, error) {
	w.reads.Add(1)
	return w.disk.ReadAt(p, off)
}

func (w *watched) WriteAt(p []byte, off int64) (int, error) {
	w.writes(off)
	return w.disk.WriteAt(p, off)
}

// TestReclaimReadsAhead: while the first chunk of a batch is written, the others
// are read.
func TestReclaimReadsAhead(t *testing.T) {
	s := newScene(kind{chunk: 8192, origin: 16 << 20, changed: 4, leaked: 12, seed: 3}) // a chunk fills a window
	synctest.Test(t, func(t *testing.T) {
		d := &watched{disk: &disk{b: bytes.Clone(s.store)}}
		p, err := Reclaim(ctx, d, ReclaimOptions{})
		if err != nil {
			t.Fatal(err)
		}
		planned, ahead := d.reads.Load(), int32(0)
		d.writes = func(int64) {
			synctest.Wait()
			if ahead == 0 {
				ahead = d.reads.Load() - planned
			}
		}
		mustRun(t, p, nil)
		moved := p.Stages[0].Bytes / int64(4<<20)
		if moved < 2 || int64(ahead) != moved {
			t.Errorf("%d of %d chunks were read when the first was written", ahead, moved)
		}
		if !bytes.Equal(view(d.b, s.origin), s.shows) || verdict(d.b) != verify.Clean {
			t.Errorf("the store is %s, or the snapshot shows something else", verdict(d.b))
		}
	})
}

// TestReclaimMovesLargeChunks: chunks may be larger than what is read at once.
func TestReclaimMovesLargeChunks(t *testing.T) {
	s := newScene(kind{chunk: 16384, origin: 16 << 20, changed: 2, leaked: 1, seed: 1}) // 8 MiB
	d := &disk{b: bytes.Clone(s.store)}
	p, err := Reclaim(ctx, d, ReclaimOptions{})
	mustRun(t, p, err)
	if len(p.Stages) == 0 || !bytes.Equal(view(d.b, s.origin), s.shows) || verdict(d.b) != verify.Clean {
		t.Errorf("%d stages, the store is %s, or the snapshot shows something else", len(p.Stages), verdict(d.b))
	}
}
