//go:build linux && kernel

// The kernel as oracle: stores are activated, and the kernel's status and the
// content of the snapshot are compared with the judge's results.

package verify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// kinds of stores: each makes the list of exceptions for a store with this
// geometry.
var kinds = []struct {
	name string
	list func(r *rand.Rand, g cow.Geometry) []cow.Exception
}{
	{"canonical", func(r *rand.Rand, g cow.Geometry) []cow.Exception {
		return canonical(r, g, r.IntN(fill(g)))
	}},
	{"exactly full areas", func(r *rand.Rand, g cow.Geometry) []cow.Exception {
		return canonical(r, g, int(g.ExceptionsPerArea())*(1+r.IntN(2)))
	}},
	{"leaky", func(r *rand.Rand, g cow.Geometry) []cow.Exception {
		return leaky(r, g, 1+r.IntN(4))
	}},
	{"leaky, its tail merged", func(r *rand.Rand, g cow.Geometry) []cow.Exception {
		list := leaky(r, g, 1+r.IntN(4))
		return list[:r.IntN(len(list)+1)]
	}},
	{"random", func(r *rand.Rand, g cow.Geometry) []cow.Exception {
		list := canonical(r, g, 1+r.IntN(fill(g)))
		for range r.IntN(6) { // anything but a terminator
			list[r.IntN(len(list))].New = cow.Chunk(1 + r.Uint64N(1<<r.IntN(20)))
		}
		return list
	}},
}

// fill is a number of exceptions that reaches a third area if areas are small,
// and stays within the first if they are large.
func fill(g cow.Geometry) int { return min(int(5*g.ExceptionsPerArea()/2), 700) }

// canonical gives n different chunks of the origin, in random order, places in
// the canonical layout.
func canonical(r *rand.Rand, g cow.Geometry, n int) []cow.Exception {
	list := make([]cow.Exception, n)
	for k, old := range r.Perm(2 * (n + 1))[:n] {
		list[k] = cow.Exception{Old: cow.Chunk(old), New: g.DataChunk(uint64(k))}
	}
	return list
}

// leaky is what a kernel that completes copies out of order has committed
// after this many crashes. At each crash, the list ends with a full area, and
// the chunks of copies under way are lost.
func leaky(r *rand.Rand, g cow.Geometry, crashes int) []cow.Exception {
	var list []cow.Exception
	next, old := cow.Chunk(2), cow.Chunk(0)
	epoch := func(n, lost int) {
		first := len(list)
		for range n + lost {
			next = g.SkipMetadata(next)
			list = append(list, cow.Exception{Old: old, New: next})
			next, old = next+1, old+1
		}
		tail := list[max(first, len(list)-lost-20):]
		r.Shuffle(len(tail), func(i, j int) { tail[i], tail[j] = tail[j], tail[i] })
		list = list[:len(list)-lost]
		next = 2
		for _, e := range list {
			next = max(next, e.New+1)
		}
	}
	e := int(g.ExceptionsPerArea())
	if e > 1024 {
		crashes = min(crashes, 1) // the kernel needs long for long lists
	}
	if e > 4096 {
		crashes = 0
	}
	for range crashes {
		epoch(e, 1+r.IntN(15))
	}
	epoch(r.IntN(min(e, 100)), 0)
	return list
}

// TestKernelAgrees activates 320 generated stores.
func TestKernelAgrees(t *testing.T) {
	lab := newLab(t)
	verdicts := map[verify.Verdict]int{}
	stores := 0
	for sectors := cow.Sectors(8); sectors <= 1024; sectors *= 2 {
		for _, kind := range kinds {
			for seed := range uint64(8) {
				name := fmt.Sprintf("%s, chunks of %d sectors, seed %d", kind.name, sectors, seed)
				r := rand.New(rand.NewPCG(seed, uint64(sectors)))
				g, err := cow.NewGeometry(sectors)
				if err != nil {
					t.Fatal(err)
				}
				verdict, err := lab.compare(cowtest.Store{Chunk: sectors, Exceptions: kind.list(r, g)})
				if err != nil {
					t.Errorf("%s: %v", name, err)
				}
				verdicts[verdict]++
				stores++
			}
		}
	}
	t.Logf("%d stores: %v", stores, verdicts)
	if stores < 300 || verdicts[verify.Clean] < 100 || verdicts[verify.Leaked] < 40 || verdicts[verify.Corrupt] < 10 {
		t.Errorf("%d stores with verdicts %v test too little", stores, verdicts)
	}
}

// compare makes a store, judges it, activates it, and compares.
func (l *lab) compare(s cowtest.Store) (verdict verify.Verdict, err error) {
	g, _ := cow.NewGeometry(s.Chunk)
	end := g.AreaChunk(uint64(len(s.Exceptions))/g.ExceptionsPerArea()) + 1
	for _, e := range s.Exceptions {
		if e.New < 1<<18 {
			end = max(end, e.New+1)
		}
	}
	s.DeviceChunks = uint64(end) + 3
	d, err := l.device(g, s.DeviceChunks, 0)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, remove(cowName)) }()
	if err := d.write(s); err != nil {
		return "", err
	}
	report, err := judge(d.path)
	if err != nil {
		return "", err
	}
	node, status, err := l.activate(d, snapshotBytes(g, len(s.Exceptions)))
	if err != nil {
		return report.Verdict, fmt.Errorf("verdict %s, but the kernel refuses: %w", report.Verdict, err)
	}
	defer func() { err = errors.Join(err, remove(snapName)) }()
	u := report.Usage
	if want := fmt.Sprintf("%d/%d %d", u.AllocatedSectors, u.TotalSectors, u.MetadataSectors); status != want {
		return report.Verdict, fmt.Errorf("verdict %s with %s, but the kernel says %s", report.Verdict, want, status)
	}
	if report.Verdict == verify.Clean || report.Verdict == verify.Leaked {
		return report.Verdict, readBack(node, d, s)
	}
	return report.Verdict, nil
}

func judge(path string) (*verify.Report, error) {
	f, err := blockdev.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return verify.Verify(context.Background(), f, f.Size(), verify.Options{BlockBytes: f.LogicalBlockSize()})
}

// snapshotBytes is the size of the snapshot: twice as many chunks as there are
// exceptions, so that about half of them were copied. It is limited to what
// the origin has on its disk, which can be read for each store. Exceptions of
// large areas are partly beyond it.
func snapshotBytes(g cow.Geometry, exceptions int) uint64 {
	return min(originReal, 2*uint64(exceptions+1)*uint64(g.ChunkBytes()))
}

// readBack reads every chunk through the snapshot, past the page cache, and
// compares it with the exceptions and the origin.
func readBack(node string, d *cowDevice, s cowtest.Store) (err error) {
	g := d.geometry
	where := map[cow.Chunk]cow.Chunk{}
	for _, e := range s.Exceptions {
		where[e.Old] = e.New
	}
	buffered, err := blockdev.Open(node)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, buffered.Close()) }()
	snapshot, err := buffered.Direct()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, snapshot.Close()) }()
	size, want := uint64(snapshot.Size()), make([]byte, g.ChunkBytes())
	if size != snapshotBytes(g, len(s.Exceptions)) {
		return fmt.Errorf("the snapshot has %d bytes", size)
	}
	got := blockdev.AlignedBuffer(int(size))
	if _, err := snapshot.ReadAt(got, 0); err != nil {
		return fmt.Errorf("reading through the snapshot: %w", err)
	}
	for old := range cow.Chunk(g.ChunksIn(snapshot.Size())) {
		offset, _ := g.Offset(old)
		new, copied := where[old]
		if copied {
			d.content(new, want)
		} else {
			originContent(offset, want)
		}
		if !bytes.Equal(got[offset:][:len(want)], want) {
			return fmt.Errorf("chunk %d of the snapshot is not what exceptions and origin say (copied to %d: %v)", old, new, copied)
		}
	}
	return nil
}
