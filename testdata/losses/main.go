// Losses draws what crashes of the leaky kernel lost over what the model of its
// allocator loses, and prints the same as a table.
//
//	go run ./testdata/losses -o FILE.svg [-least NAME=N] <LOG
//
// LOG is the output of TestLosses of verify/crash, from one kernel or several:
// lines with "losses:", the kernel's name, its kind, copies in flight, bytes of a
// chunk and lost chunks. With -least, which may be repeated, fewer than N crashes
// of that kernel are an error. A crash outside of the model's band is none: the
// picture is there to show it.
package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// simulations is how many crashes of the model make a band.
const simulations = 1000

func main() {
	out := flag.String("o", "", "the `FILE.svg` to write")
	least := map[string]int{}
	flag.Func("least", "`NAME=N`: fail if this kernel has fewer crashes", func(text string) error {
		name, n, ok := strings.Cut(text, "=")
		var number int
		if _, err := fmt.Sscan(n, &number); err != nil || !ok {
			return errors.New("write NAME=N")
		}
		least[name] = number
		return nil
	})
	flag.Parse()
	if err := draw(os.Stdin, os.Stdout, *out, least); err != nil {
		fmt.Fprintln(os.Stderr, "losses:", err)
		os.Exit(1)
	}
}

func draw(log io.Reader, table io.Writer, out string, least map[string]int) error {
	points, err := read(log)
	if err != nil {
		return err
	}
	for name, n := range least {
		if got := crashes(points, name); got < n {
			return fmt.Errorf("the log has %s of the kernel %s, want at least %d", count.Of(got, "crash", "crashes"), name, n)
		}
	}
	for i := range points {
		p := &points[i]
		p.Model, err = allocator.Losses(context.Background(), allocator.Leaky, p.InFlight, cow.Sectors(p.ChunkBytes/cow.SectorSize), 1, simulations)
		if err != nil {
			return err
		}
	}
	if err := printTable(table, points); err != nil || out == "" {
		return err
	}
	f, err := os.Create(out)
	if err != nil {
		return err
	}
	return errors.Join(drawPoints(f, points), f.Close())
}

// read reads the crashes of the leaky kernel in a log, by point and kernel.
func read(log io.Reader) ([]point, error) {
	var points []point
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		_, text, ok := strings.Cut(lines.Text(), "losses: ")
		if !ok {
			continue
		}
		var name, kind string
		var p point
		var lost uint64
		if n, err := fmt.Sscan(text, &name, &kind, &p.InFlight, &p.ChunkBytes, &lost); err != nil || n != 5 {
			return nil, fmt.Errorf("%q is not a crash: %v", text, err)
		}
		if kind == string(allocator.Leaky) {
			points = add(points, p, name, lost)
		}
	}
	slices.SortFunc(points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.InFlight, b.InFlight), cmp.Compare(a.ChunkBytes, b.ChunkBytes))
	})
	for _, p := range points {
		if !sameKernels(p, points[0]) {
			return nil, fmt.Errorf("not all kernels have crashes with %d copies in flight and chunks of %s", p.InFlight, count.Bytes(p.ChunkBytes))
		}
	}
	return points, lines.Err()
}

// add adds a crash to its point.
func add(points []point, p point, name string, lost uint64) []point {
	at := slices.IndexFunc(points, func(q point) bool { return q.InFlight == p.InFlight && q.ChunkBytes == p.ChunkBytes })
	if at < 0 {
		points, at = append(points, p), len(points)
	}
	into := &points[at]
	k := slices.IndexFunc(into.Kernels, func(k kernelLosses) bool { return k.Name == name })
	if k < 0 {
		into.Kernels, k = append(into.Kernels, kernelLosses{Name: name}), len(into.Kernels)
	}
	into.Kernels[k].Lost = append(into.Kernels[k].Lost, lost)
	return points
}

// sameKernels reports whether two points have crashes of the same kernels, in the
// same order.
func sameKernels(a, b point) bool {
	return slices.EqualFunc(a.Kernels, b.Kernels, func(x, y kernelLosses) bool { return x.Name == y.Name })
}

func crashes(points []point, name string) (n int) {
	for _, p := range points {
		for _, k := range p.Kernels {
			if k.Name == name {
				n += len(k.Lost)
			}
		}
	}
	return n
}

func printTable(w io.Writer, points []point) error {
	var b strings.Builder
	b.WriteString("| in flight | chunk | model: 5 %, median, 95 % | none | mean of the others | kernel | crashes | least, median, most | none | mean of the others | outside |\n")
	b.WriteString("|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|\n")
	for _, p := range points {
		low, median, high := p.band()
		none, mean := someLost(p.Model)
		for _, k := range p.Kernels {
			lost := slices.Sorted(slices.Values(k.Lost))
			kernelNone, kernelMean := someLost(lost)
			fmt.Fprintf(&b, "| %d | %s | %d, %d, %d | %.0f %% | %s | %s | %d | %d, %d, %d | %d | %s | %d |\n",
				p.InFlight, count.Bytes(p.ChunkBytes), low, median, high, 100*float64(none)/float64(max(1, len(p.Model))), mean,
				k.Name, len(lost), lost[0], lost[len(lost)/2], lost[len(lost)-1], kernelNone, kernelMean, p.outside(k))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// someLost counts the crashes that lost nothing, and returns the mean of the
// others, or "-" if there are none.
func someLost(lost []uint64) (none int, mean string) {
	sum := uint64(0)
	for _, n := range lost {
		if n == 0 {
			none++
		}
		sum += n
	}
	if none == len(lost) {
		return none, "-"
	}
	return none, fmt.Sprintf("%.1f", float64(sum)/float64(len(lost)-none))
}
