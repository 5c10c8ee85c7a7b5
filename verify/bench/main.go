//go:build linux

// Bench measures the judge against the least that any judge must do: read the
// same areas and nothing else.
//
//	go run ./verify/bench [-dir DIR] [-runs N] [-cold]
//
// It makes sparse stores with chunks of 4 KiB, of 1,000,000 and of 16,700,000
// exceptions whose origin chunks are in random order, and prints medians. With -cold it measures without the page cache as well, against fio
// reading the same blocks at the same depth.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

func main() {
	dir := flag.String("dir", "", "where to make the stores (default: a new directory under TMPDIR)")
	runs := flag.Int("runs", 11, "runs of each measurement, the median of which is printed")
	cold := flag.Bool("cold", false, "measure without the page cache too, against fio (needs fio and root)")
	flag.Parse()
	if err := run(*dir, max(1, *runs), *cold); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(dir string, runs int, cold bool) error {
	if dir == "" {
		made, err := os.MkdirTemp("", "dmsnapctl-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(made)
		dir = made
	}
	program := filepath.Join(dir, "dmsnapctl")
	if err := build(program); err != nil {
		return err
	}
	fmt.Printf("%s, %d processors; medians of %d runs; chunks of 4 KiB\n", runtime.Version(), runtime.NumCPU(), runs)
	for _, kind := range []struct{ exceptions, origin uint64 }{
		{1_000_000, 1 << 20},
		{16_700_000, 1 << 24},
		{1_000_000, 1 << 28}, // all over 1 TiB
	} {
		s, err := generate(filepath.Join(dir, "store"), kind.exceptions, kind.origin)
		if err != nil {
			return err
		}
		fmt.Printf("\n%d exceptions, %d areas, %d MiB of metadata in a store of %d GiB, of an origin of %d GiB\n",
			s.exceptions, s.areas, s.areas*chunkBytes>>20, s.size>>30, kind.origin*chunkBytes>>30)
		if err := s.warm(program, runs); err != nil {
			return err
		}
		if !cold {
			continue
		}
		if err := s.cold(program, runs); err != nil {
			return err
		}
	}
	return nil
}
