package crash

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// BenchmarkExplore judges the states of the 300 writes with slow copies (16
// MiB of COW store, chunks of 4 KiB), with as many random states as take about
// a second. Loading the log is included.
func BenchmarkExplore(b *testing.B) {
	for _, k := range []allocator.Kernel{allocator.Fixed, allocator.Leaky} {
		for _, reorder := range []int{DefaultReorder, 100_000} {
			b.Run(fmt.Sprintf("%s/reorder=%d", k, reorder), func(b *testing.B) {
				image, opt := scenario(b, k, 512, noFault, 0)
				opt.Expect, opt.Reorder = k, reorder
				log := openBytes(b, image)
				states := uint64(0)
				for b.Loop() {
					r, err := Explore(context.Background(), log, opt)
					if err != nil {
						b.Fatal(err)
					}
					states += r.States
				}
				b.ReportMetric(float64(states)/b.Elapsed().Seconds(), "states/s")
			})
		}
	}
}

// BenchmarkExploreJobs judges the same log on one processor and on all, one
// after the other in the same run. speed-up says how many times faster the
// second is.
func BenchmarkExploreJobs(b *testing.B) {
	image, opt := scenario(b, allocator.Fixed, 512, noFault, 0)
	opt.Reorder = 400_000
	log := openBytes(b, image)
	var took [2]time.Duration
	states := uint64(0)
	for b.Loop() {
		for i, jobs := range []int{1, 0} {
			opt.Jobs = jobs
			begun := time.Now()
			r, err := Explore(context.Background(), log, opt)
			if err != nil {
				b.Fatal(err)
			}
			took[i] += time.Since(begun)
			states = r.States
		}
	}
	b.ReportMetric(float64(states)*float64(b.N)/took[1].Seconds(), "states/s")
	b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "speed-up")
}

// BenchmarkTornOverGarbage judges torn writes of chunks of 1 MiB over garbage, on
// one processor.
func BenchmarkTornOverGarbage(b *testing.B) {
	log, opt := garbageLog(b, 2048, false)
	opt.Jobs = 1
	for b.Loop() {
		explore(b, log, opt)
	}
}

// BenchmarkReplay judges the same log in the simple way: it writes each prefix
// to a file, and verify reads the file. It reports the time per state,
// relative to exploring the log in the same run.
func BenchmarkReplay(b *testing.B) {
	image, opt := scenario(b, allocator.Fixed, 512, noFault, 0)
	log := openBytes(b, image)
	begun := time.Now()
	report, err := Explore(context.Background(), log, opt)
	if err != nil {
		b.Fatal(err)
	}
	perState := time.Since(begun).Seconds() / float64(report.States)
	path := filepath.Join(b.TempDir(), "state.img")
	store := opt.COW[0]
	n := 0
	for b.Loop() {
		n++
		if err := replayPrefix(log, opt, n%log.Len(), path, store); err != nil {
			b.Fatal(err)
		}
	}
	plain := b.Elapsed().Seconds() / float64(b.N)
	b.ReportMetric(1/plain, "states/s")
	b.ReportMetric(plain/perState, "times-slower")
}

// replayPrefix writes a prefix to a file and verifies the store in it.
func replayPrefix(log *logwrites.Log, opt Options, prefix int, path string, store Region) error {
	o, err := NewOverlay(log, State{Durable: prefix}, opt.Base, opt.BaseSize)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Truncate(int64(o.Size())); err != nil {
		return err
	}
	if err := o.WriteTo(f); err != nil {
		return err
	}
	section := io.NewSectionReader(f, int64(store.Start)*cow.SectorSize, int64(store.Len)*cow.SectorSize)
	_, err = verify.Verify(context.Background(), section, section.Size(), verify.Options{})
	return err
}
