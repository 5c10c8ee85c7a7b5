package crash

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// tiny is a machine small enough for a fuzzer's corpus.
func tiny(t testing.TB) *machine {
	m := newMachine(t, 512, 1, 64, 128)
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 5)...)
	m.overwriteAtOnce(2, chunks(10, 30)...)
	m.end()
	return m
}

// FuzzExplore: no log and no base image, however broken, makes the explorer
// panic, hang or count more failures than states.
func FuzzExplore(f *testing.F) {
	m := tiny(f)
	log := logBytes(f, 512, m.log)
	f.Add(log, m.image()[:64*512], true)
	f.Add(log[:len(log)/2], []byte{}, false)
	dirty := bytes.Clone(log)
	for i := 512 * 5; i < len(dirty); i += 512 * 7 {
		dirty[i+3] ^= 0xff
	}
	f.Add(dirty, m.image(), true)
	f.Fuzz(func(t *testing.T, log, image []byte, twice bool) {
		l, err := logwrites.Open(bytes.NewReader(log), int64(len(log)))
		if err != nil {
			return
		}
		opt := Options{
			Origin: m.origin, COW: []Region{{m.cow.Start, 64}, {m.cow.Start + 64, 64}}, Base: bytes.NewReader(image), BaseSize: int64(len(image)),
			Exhaustive: 64, Reorder: 8, Crashes: 1,
		}
		if twice {
			opt.Crashes, opt.COW = 2, []Region{m.cow}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		r, err := Explore(ctx, l, opt)
		if ctx.Err() != nil {
			t.Fatalf("a log of %d bytes takes more than a minute", len(log))
		}
		if err != nil {
			return
		}
		if r.LeakingStates > r.States || r.CorruptStates > r.States || r.BrokenImageStates > r.States {
			t.Errorf("more failures than states: %+v", r)
		}
		for _, failure := range []*Failure{r.FirstLeak, r.FirstCorrupt, r.FirstBroken} {
			if failure == nil {
				continue
			}
			s, err := ParseState(failure.State)
			if err != nil {
				t.Errorf("the state of a failure: %v", err)
			}
			if _, err := NewOverlay(l, s, opt.Base, opt.BaseSize); err != nil {
				t.Errorf("the state of a failure: %v", err)
			}
		}
	})
}
