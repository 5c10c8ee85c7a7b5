//go:build linux

// With the pages in the page cache: reading compared with judging.

package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// costs are those of one store.
type costs struct{ reading, judging, delta timings }

// warm measures in turn, so that other load on the machine affects all alike.
func (s *sample) warm(program string, runs int) (c costs, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	for i := range runs + 1 { // the first round fills the page cache
		if err := c.reading.run(i > 0, self, "-read", s.path, "-areas", strconv.FormatUint(s.areas, 10)); err != nil {
			return c, err
		}
		if err := c.judging.run(i > 0, program, s.verify()...); err != nil {
			return c, err
		}
		if err := c.delta.run(i > 0, program, "delta", s.path); err != nil {
			return c, err
		}
	}
	line := func(what string, t timings) {
		fmt.Printf("    %-36s wall %8.1f ms [%7.1f]   CPU %8.1f ms [%7.1f]   %5.1f MiB\n", what,
			ms(t.wall.median()), ms(t.wall.best()), ms(t.cpu.median()), ms(t.cpu.best()), float64(t.peak)/(1<<20))
	}
	ratios := func(what string, a, b timings) {
		fmt.Printf("    %-36s wall %8.2f    [%7.2f]   CPU %8.2f    [%7.2f]\n", what,
			ratio(a.wall.median(), b.wall.median()), ratio(a.wall.best(), b.wall.best()),
			ratio(a.cpu.median(), b.cpu.median()), ratio(a.cpu.best(), b.cpu.best()))
	}
	line("reading the same areas, all threads", c.reading)
	line("dmsnapctl verify", c.judging)
	line("dmsnapctl delta", c.delta)
	ratios("verify to reading", c.judging, c.reading)
	ratios("delta to verify", c.delta, c.judging)
	return c, nil
}

// turn is how many areas one thread reads at a time, as a judge would.
const turn = 16

// readAreas reads the areas of a store and nothing else, with this many
// threads.
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
