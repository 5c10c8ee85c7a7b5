//go:build linux

// With the pages in the page cache: reading against judging.

package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// warm measures in turn, so that a busy machine is unfair to all alike.
func (s *sample) warm(program string, runs int) (reading, judging timings, err error) {
	self, err := os.Executable()
	if err != nil {
		return reading, judging, err
	}
	for i := range runs + 1 { // the first turn fills the page cache
		if err := reading.run(i > 0, self, "-read", s.path, "-areas", strconv.FormatUint(s.areas, 10)); err != nil {
			return reading, judging, err
		}
		if err := judging.run(i > 0, program, s.verify()...); err != nil {
			return reading, judging, err
		}
	}
	line := func(what string, t timings) {
		fmt.Printf("    %-36s wall %8.1f ms [%7.1f]   CPU %8.1f ms [%7.1f]   %5.1f MiB\n", what,
			ms(t.wall.median()), ms(t.wall.best()), ms(t.cpu.median()), ms(t.cpu.best()), float64(t.peak)/(1<<20))
	}
	line("reading the same areas, all threads", reading)
	line("dmsnapctl verify", judging)
	fmt.Printf("    %-36s wall %8.2f    [%7.2f]   CPU %8.2f    [%7.2f]\n", "ratio",
		ratio(judging.wall.median(), reading.wall.median()), ratio(judging.wall.best(), reading.wall.best()),
		ratio(judging.cpu.median(), reading.cpu.median()), ratio(judging.cpu.best(), reading.cpu.best()))
	return reading, judging, nil
}

// turn is how many areas one thread reads at a turn, as a judge would.
const turn = 16

// readAreas reads the areas of a store and nothing else, by so many threads.
func readAreas(path string, areas uint64, threads int) error {
	file, err := blockdev.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	g, err := cow.NewGeometry(chunkSectors)
	if err != nil {
		return err
	}
	errs := make([]error, threads)
	var group sync.WaitGroup
	for w := range uint64(threads) {
		group.Go(func() {
			buf := blockdev.AlignedBuffer(chunkBytes)
			for first := w * turn; first < areas; first += uint64(threads) * turn {
				for area := first; area < min(first+turn, areas); area++ {
					if _, err := file.ReadAt(buf, int64(g.RecordOffset(area, 0))); err != nil {
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
