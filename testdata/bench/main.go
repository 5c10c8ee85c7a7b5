//go:build linux

// Bench compares the judge with the least that any judge must do: read the
// same areas with the same number of threads, and nothing else. Each runs in a
// process of its own. CPU time is printed next to wall time.
//
//	go run ./testdata/bench [-dir DIR] [-runs N] [-only TEXT] [-cold]
//	go run ./testdata/bench -moves [-dir DIR] [-runs N] [-only TEXT] [-mib N]
//
// It makes sparse stores with chunks of 4 KiB and prints medians, with the best
// runs in brackets. The command delta, which judges too and prints up to millions
// of ranges, is compared with the judge. With -cold it measures without the page
// cache as well, against fio reading the same blocks at the same depth.
//
// With -moves it compares the commands that move data with dd.
package main

// From the top down: main, warm, cold, moves, process, store.

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

func main() {
	dir := flag.String("dir", "", "where to make the stores (default: a new directory under TMPDIR)")
	runs := flag.Int("runs", 11, "runs of each measurement; the median is printed")
	cold := flag.Bool("cold", false, "measure without the page cache too, against fio (needs fio and root)")
	moves := flag.Bool("moves", false, "measure what moves data instead, against dd")
	mib := flag.Int64("mib", 512, "MiB of data in the store whose data is moved")
	only := flag.String("only", "", "measure only what has this in its name")
	read := flag.String("read", "", "only read this file's areas, as many as -areas says: how the bench calls itself")
	areas := flag.Uint64("areas", 0, "see -read")
	measured := flag.Bool("measure", false, "only run the command that follows and say what it took: how the bench calls itself")
	flag.Parse()
	var err error
	switch {
	case *measured && flag.NArg() > 0:
		err = measure(flag.Arg(0), flag.Args()[1:]...)
	case *read != "":
		err = readAreas(*read, *areas, runtime.GOMAXPROCS(0))
	case *moves:
		err = inDir(*dir, func(dir string) error { return runMoves(dir, max(1, *runs), *mib<<20, *only) })
	default:
		err = inDir(*dir, func(dir string) error { return run(dir, max(1, *runs), *cold, *only) })
	}
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// inDir runs in a directory. Without one, it makes a directory and removes it
// afterwards.
func inDir(dir string, run func(dir string) error) error {
	if dir != "" {
		return run(dir)
	}
	made, err := os.MkdirTemp("", "dmsnapctl-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(made)
	return run(made)
}

func run(dir string, runs int, cold bool, only string) error {
	program := filepath.Join(dir, "dmsnapctl")
	if err := build(program); err != nil {
		return err
	}
	fmt.Printf("%s, %d processors; chunks of 4 KiB; medians of %d runs, best ones in brackets\n", runtime.Version(), runtime.NumCPU(), runs)
	var scattered []scatteredRun
	for _, k := range kinds {
		if !strings.Contains(k.name(), only) {
			continue
		}
		s, err := generate(filepath.Join(dir, "store"), k)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s\n", s)
		c, err := s.warm(program, runs)
		if err != nil {
			return err
		}
		if k.scatter > 0 {
			scattered = append(scattered, scatteredRun{k.exceptions, c})
		}
	}
	if len(scattered) > 0 {
		printScattered(scattered)
	}
	if !cold {
		return nil
	}
	return runCold(dir, program, runs, only)
}

// scatteredRun is the cost of a store with scattered chunks.
type scatteredRun struct {
	exceptions uint64
	costs
}

// printScattered prints how the cost of scattered chunks grows.
func printScattered(runs []scatteredRun) {
	fmt.Printf("\nscattered chunks: CPU of verification to that of reading, and to that of half as many exceptions\n")
	for i, r := range runs {
		growth := ""
		if i > 0 && r.exceptions == 2*runs[i-1].exceptions {
			growth = fmt.Sprintf("  %.2f times", ratio(r.judging.cpu.median(), runs[i-1].judging.cpu.median()))
		}
		fmt.Printf("  %9d exceptions  %5.1f times reading%s\n", r.exceptions, ratio(r.judging.cpu.median(), r.reading.cpu.median()), growth)
	}
}
