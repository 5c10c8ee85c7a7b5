//go:build linux

// With the pages in the page cache: reading against judging.

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// warm measures in turn, so that a busy machine is unfair to all alike.
func (s *sample) warm(program string, runs int) error {
	file, err := blockdev.Open(s.path)
	if err != nil {
		return err
	}
	defer file.Close()
	var alone, together, judging, process timings
	// A new process inherits the peak of the one that starts it (exec_mmap in
	// the kernel's fs/exec.c), so the peak is taken before this one grows.
	peak, err := s.process(program)
	if err != nil {
		return err
	}
	for i := range runs + 1 { // the first turn fills the page cache
		steps := []struct {
			into *timings
			do   func() error
		}{
			{&alone, func() error { return s.read(file, 1) }},
			{&together, func() error { return s.read(file, store.Depth) }},
			{&judging, func() error { return s.judge(file) }},
			{&process, func() error { _, err := s.process(program); return err }},
		}
		for _, step := range steps {
			start := time.Now()
			if err := step.do(); err != nil {
				return err
			}
			if i > 0 {
				step.into.add(time.Since(start))
			}
		}
	}
	base := alone.median()
	fmt.Printf("  in the page cache (best runs in brackets: what a busy machine would do at rest):\n")
	line := func(what string, t *timings, more string, args ...any) {
		fmt.Printf("    %-42s %8.1f ms [%6.1f]", what, ms(t.median()), ms(t.best()))
		fmt.Printf(more+"\n", args...)
	}
	line("reading the same areas, one thread", &alone, "")
	line(fmt.Sprintf("reading the same areas, %d at once", store.Depth), &together, "")
	line("verification", &judging, "   ratio %.2f [%.2f], to %d at once %.2f", ratio(judging.median(), base),
		ratio(judging.best(), alone.best()), store.Depth, ratio(judging.median(), together.median()))
	line("dmsnapctl verify, the whole process", &process, "   ratio %.2f [%.2f], peak memory %.1f MiB", ratio(process.median(), base),
		ratio(process.best(), alone.best()), float64(peak)/(1<<20))
	return nil
}

// read reads the areas and nothing else, by so many workers.
func (s *sample) read(file *blockdev.File, workers uint64) error {
	errs := make([]error, workers)
	var group sync.WaitGroup
	for w := range workers {
		group.Go(func() {
			buf := blockdev.AlignedBuffer(chunkBytes)
			// In turns of 16 areas, as a judge would read.
			for first := w * turn; first < s.areas; first += workers * turn {
				for area := first; area < min(first+turn, s.areas); area++ {
					if _, err := file.ReadAt(buf, s.offset(area)); err != nil {
						errs[w] = err
						return
					}
				}
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

const turn = 16

// judge verifies, and makes sure that the store was read.
func (s *sample) judge(file *blockdev.File) error {
	r, err := verify.Verify(context.Background(), file, int64(s.size), verify.Options{})
	if err != nil {
		return err
	}
	if r.Verdict != verify.Clean || r.Usage.Exceptions != s.exceptions {
		return fmt.Errorf("%s: verdict %s with %d exceptions, generated were %d", s.path, r.Verdict, r.Usage.Exceptions, s.exceptions)
	}
	return nil
}

func ms(d time.Duration) float64       { return float64(d) / float64(time.Millisecond) }
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
func build(program string) error {
	return command("go", "build", "-trimpath", "-tags", "urfave_cli_no_docs", "-o", program, "./cmd/dmsnapctl")
}
