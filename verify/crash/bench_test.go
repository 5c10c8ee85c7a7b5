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

// BenchmarkExploreAgainstOneReplay explores some 30,000 states of a log of 16 KiB
// chunks, and writes the log to a disk once, as a replay to its end does; both in
// the same run, from files. replays is how many such replays exploring takes.
func BenchmarkExploreAgainstOneReplay(b *testing.B) {
	g, err := cow.NewGeometry(largeChunk)
	if err != nil {
		b.Fatal(err)
	}
	l := &largeLog{chunks: 250, geometry: g}
	opt := l.options()
	logFile := fileOf(b, l, int64(l.size()))
	opt.Base = fileOf(b, opt.Base, opt.BaseSize)
	var replay, exploring time.Duration
	states := uint64(0)
	for b.Loop() {
		begun := time.Now()
		log, err := logwrites.Open(logFile, int64(l.size()))
		if err != nil {
			b.Fatal(err)
		}
		replayAll(b, log)
		replay += time.Since(begun)
		begun = time.Now()
		if log, err = logwrites.Open(logFile, int64(l.size())); err != nil {
			b.Fatal(err)
		}
		r, err := Explore(context.Background(), log, opt)
		if err != nil {
			b.Fatal(err)
		}
		exploring += time.Since(begun)
		states = r.States
	}
	b.ReportMetric(float64(states), "states")
	b.ReportMetric(exploring.Seconds()/replay.Seconds(), "replays")
}

// fileOf is a file with this content.
func fileOf(b *testing.B, content io.ReaderAt, size int64) *os.File {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "file"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = f.Close() })
	if _, err := io.Copy(f, io.NewSectionReader(content, 0, size)); err != nil {
		b.Fatal(err)
	}
	return f
}

// replayAll writes all entries of a log to a disk.
func replayAll(b *testing.B, log *logwrites.Log) {
	b.Helper()
	disk, err := os.Create(filepath.Join(b.TempDir(), "disk"))
	if err != nil {
		b.Fatal(err)
	}
	defer disk.Close()
	for _, e := range log.Entries() {
		if !e.HasData() {
			continue
		}
		data := make([]byte, e.Sectors*log.SectorSize)
		if err := log.ReadData(e, 0, data); err != nil {
			b.Fatal(err)
		}
		if _, err := disk.WriteAt(data, int64(e.Sector*log.SectorSize)); err != nil {
			b.Fatal(err)
		}
	}
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
