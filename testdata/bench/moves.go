//go:build linux

// Moving data: extract, apply and reclaim against dd, which copies as many bytes
// on the same disk with the same flushes.

package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

// mover has the directory of the files, all on one disk, and the program.
type mover struct {
	dir, program string
	bytes        int64  // of data in the store
	only         string // measure only what has this in its name
}

// moveLayout is where a store's data lies.
type moveLayout struct {
	name   string
	random bool // origin chunks are in random order
	holes  int  // for reclaim: chunks per hole and between holes; 0: no holes
}

// runMoves prints, for each command and layout, its speed and that of dd.
func runMoves(dir string, runs int, bytes int64, only string) error {
	m := mover{dir: dir, program: filepath.Join(dir, "dmsnapctl"), bytes: bytes, only: only}
	if err := build(m.program); err != nil {
		return err
	}
	fmt.Printf("%s, %d processors; %d MiB of data in chunks of 4 KiB, an empty page cache, all flushed; medians of %d runs\n",
		runtime.Version(), runtime.NumCPU(), bytes>>20, runs)
	for _, layout := range []moveLayout{{name: "canonical, origin chunks in order"}, {name: "canonical, origin chunks in random order", random: true}} {
		if err := m.compare("extract, "+layout.name, runs, layout, "extract", m.path("store"), "--origin", m.path("origin"), "-o", m.path("out")); err != nil {
			return err
		}
		if err := m.compare("apply, "+layout.name, runs, layout, "apply", m.path("store"), "--to", m.path("origin"), "--yes"); err != nil {
			return err
		}
	}
	for _, layout := range []moveLayout{{name: "runs of 64 chunks leaked", holes: 64}, {name: "runs of up to 64 chunks leaked, in random places", holes: 64, random: true}} {
		if err := m.compare("reclaim, "+layout.name, runs, layout, "reclaim", m.path("store"), "--yes"); err != nil {
			return err
		}
	}
	return nil
}

func (m mover) path(name string) string { return filepath.Join(m.dir, name) }

// compare runs dd and a command in turn, each first every other time, so that
// other load on the disk affects both alike. The ratio is the median of those of
// the runs.
func (m mover) compare(what string, runs int, layout moveLayout, args ...string) error {
	if !strings.Contains(what, m.only) {
		return nil
	}
	var dd, program series
	var ratios []float64
	moved := int64(0)
	for i := range runs {
		var err error
		if moved, err = m.prepare(layout, args[0]); err != nil {
			return err
		}
		copying := func() error {
			took, err := m.dd(args[0], moved)
			dd = append(dd, took)
			return err
		}
		running := func() error {
			took, err := m.run(args...)
			program = append(program, took)
			return err
		}
		order := []func() error{copying, running}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, do := range order {
			if err := do(); err != nil {
				return err
			}
		}
		ratios = append(ratios, ratio(dd[i], program[i]))
		for _, name := range []string{"copy", "out", "store", "origin"} {
			_ = os.Remove(m.path(name))
		}
	}
	slices.Sort(ratios)
	rate := func(d time.Duration) float64 { return float64(moved) / (1 << 20) / d.Seconds() }
	fmt.Printf("  %-55s %6.0f MiB/s   dd %6.0f MiB/s   ratio %.2f (%.2f to %.2f)\n", what, rate(program.median()), rate(dd.median()),
		ratios[len(ratios)/2], ratios[0], ratios[len(ratios)-1])
	return nil
}

// run runs the program. All its commands flush what they wrote.
func (m mover) run(args ...string) (time.Duration, error) {
	if err := m.forget("store", "origin"); err != nil {
		return 0, err
	}
	start := time.Now()
	err := quietly(m.program, args...)
	return time.Since(start), err
}

// dd copies as many bytes, and flushes as the command does: reclaim flushes
// after the data of each of its batches, and after the records. apply and
// reclaim write to files that exist.
func (m mover) dd(as string, bytes int64) (time.Duration, error) {
	if err := m.forget("data"); err != nil {
		return 0, err
	}
	if as != "extract" {
		if err := m.forget("copy"); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	if as != "reclaim" {
		conv := map[string]string{"extract": "fsync", "apply": "fsync,notrunc"}[as]
		err := m.ddPart(0, bytes, conv)
		return time.Since(start), err
	}
	for at := int64(0); at < bytes; at += mend.DefaultBatchBytes {
		for _, piece := range []int64{min(mend.DefaultBatchBytes, bytes-at), 1 << 20} {
			if err := m.ddPart(at, piece, "fsync,notrunc"); err != nil {
				return 0, err
			}
		}
	}
	return time.Since(start), nil
}

func (m mover) ddPart(at, bytes int64, conv string) error {
	place := strconv.FormatInt(at>>20, 10)
	return command("dd", "if="+m.path("data"), "of="+m.path("copy"), "bs=1M", "count="+strconv.FormatInt((bytes+1<<20-1)>>20, 10),
		"skip="+place, "seek="+place, "conv="+conv, "status=none")
}

// prepare makes new files for a command and returns how many bytes it will move.
func (m mover) prepare(layout moveLayout, command string) (moved int64, err error) {
	if _, err := os.Stat(m.path("data")); err != nil {
		if err := m.noise("data", m.bytes); err != nil {
			return 0, err
		}
	}
	g, err := cow.NewGeometry(chunkSectors)
	if err != nil {
		return 0, err
	}
	n := uint64(m.bytes / chunkBytes)
	slots, end := m.slots(layout, n)
	if layout.holes > 0 { // data past the first n slots moves
		for _, s := range slots {
			if s >= n {
				moved += chunkBytes
			}
		}
	} else {
		moved = m.bytes
	}
	if err := m.noise("store", int64(g.ChunksFor(end)*chunkBytes)); err != nil {
		return 0, err
	}
	store, err := os.OpenFile(m.path("store"), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer store.Close()
	olds := m.order(n, layout.random && layout.holes == 0)
	records := func(yield func(cow.Exception) bool) {
		for i := range n {
			if !yield(cow.Exception{Old: cow.Chunk(olds[i]), New: g.DataChunk(slots[i])}) {
				return
			}
		}
	}
	if err := cowtest.Write(store, cow.NewHeader(chunkSectors), records); err != nil {
		return 0, err
	}
	if err := store.Sync(); err != nil {
		return 0, err
	}
	if command != "extract" {
		if err := m.noise("copy", m.bytes); err != nil {
			return 0, err
		}
	}
	return moved, m.noise("origin", m.bytes)
}

// slots are the data chunks that n exceptions have, of end ones.
func (m mover) slots(layout moveLayout, n uint64) (slots []uint64, end uint64) {
	slots = m.order(n, false)
	switch {
	case layout.holes == 0:
		return slots, n
	case layout.random:
		r, at, left := rand.New(rand.NewPCG(1, 1)), uint64(0), uint64(0)
		for i := range slots {
			if left == 0 {
				at += 1 + r.Uint64N(uint64(layout.holes))
				left = 1 + r.Uint64N(uint64(layout.holes))
			}
			slots[i] = at
			at, left = at+1, left-1
		}
	default:
		hole := uint64(layout.holes)
		for i := range slots {
			slots[i] += slots[i] / hole * hole
		}
	}
	return slots, slots[n-1] + 1
}

// order is the numbers below n.
func (m mover) order(n uint64, random bool) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(i)
	}
	if random {
		r := rand.New(rand.NewPCG(1, 2))
		r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}

// noise makes a file without holes.
func (m mover) noise(name string, bytes int64) error {
	f, err := os.Create(m.path(name))
	if err != nil {
		return err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	if _, err := io.CopyN(w, rand.NewChaCha8([32]byte{byte(len(name))}), bytes); err != nil {
		return fmt.Errorf("%s, %s bytes: %w", name, strconv.FormatInt(bytes, 10), err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return f.Sync()
}

// forget makes the kernel drop the files' pages.
func (m mover) forget(names ...string) error {
	for _, name := range names {
		f, err := os.Open(m.path(name))
		if err != nil {
			return err
		}
		err = unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
		if err := f.Close(); err != nil {
			return err
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// quietly runs a command and discards its messages.
func quietly(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %q: %w: %s", name, args, err, out)
	}
	return nil
}
