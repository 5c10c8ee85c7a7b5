//go:build linux && kernel

// What crashes of this kernel lose, to compare with the model: see package
// losses.

package crash_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// lossesVariable is the environment variable that sets how many crashes each
// point gets. Without it there are two points, with one crash each.
const lossesVariable = "DMSNAPCTL_TEST_LOSSES"

// TestLosses crashes this kernel at random moments, with a number of copies in
// flight all the time, and says what each crash lost. A copy takes a random time:
// reading its chunk of the origin is delayed. The crash is an error target under
// the COW device, after which no write reaches the disk.
func TestLosses(t *testing.T) {
	runs, flights, sizes := 1, []int{32}, []cow.Sectors{1, 2}
	if text := os.Getenv(lossesVariable); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("%s is %q", lossesVariable, text)
		}
		runs, flights, sizes = n, []int{8, 32}, []cow.Sectors{1, 2, 8}
	}
	engine := "uml"
	if !strings.Contains(disks(t)[0], "ubd") {
		engine = "smp"
	}
	kind := kernelKind(t)
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	all := uint64(0)
	for _, inFlight := range flights {
		for _, chunk := range sizes {
			l := &losses{rig: &rig{t: t, kind: kind}, chunk: chunk, inFlight: inFlight, random: random}
			t.Cleanup(l.takeDown)
			length := l.write(never)
			for range runs {
				lost := l.crash(time.Duration(random.Int64N(int64(length) * 3 / 4)))
				all += lost
				t.Logf("losses: %s %s %d %d %d", engine, kind, inFlight, uint64(chunk)*cow.SectorSize, lost)
			}
		}
	}
	if kind != allocator.Leaky && all > 0 {
		t.Errorf("a %s kernel lost %d chunks", kind, all)
	}
	if kind == allocator.Leaky && runs > 1 && all == 0 {
		t.Error("a leaky kernel lost nothing in any of its crashes")
	}
}

// losses are crashes with one chunk size and one number of copies in flight.
type losses struct {
	*rig
	chunk    cow.Sectors
	inFlight int
	random   *rand.Rand
	geometry cow.Geometry
}

// never is a time after the end of all writes.
const never = time.Hour

// Delays of reading a chunk: up to delaySteps-1 steps, each half as likely as the
// one before, so that any copy in flight is about as likely as another to be the
// next to end, as in the model.
const (
	delaySteps = 8
	delayStep  = 50 * time.Millisecond
)

// chunks is how many chunks the origin has: four areas full.
func (l *losses) chunks() int { return 4 * int(l.geometry.ExceptionsPerArea()) }

func (l *losses) storeSectors() int {
	return (l.chunks() + 8) * int(l.chunk) // header, areas and one to spare
}

// crash makes a snapshot, overwrites the origin and crashes after a time. It
// returns the number of leaked chunks in what is left.
func (l *losses) crash(after time.Duration) uint64 {
	l.t.Helper()
	l.write(after)
	size := l.storeSectors() * cow.SectorSize
	image := readDirect(l.t, disks(l.t)[1], size)
	report, err := verify.Verify(context.Background(), bytes.NewReader(image), int64(size), verify.Options{MaxFindings: -1})
	if err != nil {
		l.t.Fatal(err)
	}
	switch report.Verdict {
	case verify.Clean, verify.Empty, verify.Leaked:
		return report.Leaks.Chunks
	}
	l.t.Errorf("after a crash the store is %s", report.Verdict)
	return 0
}

// write makes a blank store and a snapshot, and overwrites the whole origin until
// the crash. It returns how long the writes took.
func (l *losses) write(crash time.Duration) time.Duration {
	l.t.Helper()
	g, err := cow.NewGeometry(l.chunk)
	if err != nil {
		l.t.Fatal(err)
	}
	l.geometry = g
	sectors := l.chunks() * int(l.chunk)
	writeDirect(l.t, disks(l.t)[1], 0, make([]byte, 64<<10))
	cowDev := l.create("cut", fmt.Sprintf("0 %d linear %s 0", l.storeSectors(), disks(l.t)[1]))
	o := l.slowOrigin(sectors)
	l.create("snap0", fmt.Sprintf("0 %d snapshot %s %s P %d", sectors, o, cowDev, l.chunk))
	origin := l.create("origin", fmt.Sprintf("0 %d snapshot-origin %s", sectors, o))
	l.limitCopies(l.inFlight)
	defer l.limitCopies(defaultCopies)
	l.dm("load", "cut", "--table", fmt.Sprintf("0 %d error", l.storeSectors()))

	begun := time.Now()
	done := make(chan time.Duration, 1)
	go func() {
		l.overwriteAll(origin, sectors)
		done <- time.Since(begun)
	}()
	took := time.Duration(0)
	select {
	case took = <-done:
	case <-time.After(crash):
		l.dm("resume", "cut") // which brings in the error target
		took = <-done
	}
	l.removeAll()
	return took
}

// overwriteAll overwrites the origin in one write, whose parts all wait at once.
func (l *losses) overwriteAll(path string, sectors int) {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer f.Close()
	if _, err := f.WriteAt(blockdev.AlignedBuffer(sectors*cow.SectorSize), 0); err != nil {
		l.t.Errorf("overwriting the origin: %v", err) // a lost snapshot does not fail it
	}
}

// slowOrigin is an origin whose chunks take a random time each to read, and none
// to write.
func (l *losses) slowOrigin(sectors int) string {
	l.t.Helper()
	disk := disks(l.t)[0]
	steps := []string{disk}
	for n := 1; n < delaySteps; n++ {
		ms := (time.Duration(n) * delayStep).Milliseconds()
		steps = append(steps, l.create(fmt.Sprintf("step%d", n), fmt.Sprintf("0 %d delay %s 0 %d %s 0 0", sectors, disk, ms, disk)))
	}
	var table []string
	for at := 0; at < sectors; at += int(l.chunk) {
		n := 0
		for n < delaySteps-1 && l.random.IntN(2) == 0 {
			n++
		}
		table = append(table, fmt.Sprintf("%d %d linear %s %d", at, l.chunk, steps[n], at))
	}
	return l.create("real", table...)
}

// defaultCopies is the module's default for limitCopies.
const defaultCopies = 2048

// limitCopies limits the copies in flight of each snapshot.
func (l *losses) limitCopies(n int) {
	l.t.Helper()
	// The module waits when there are more than the limit.
	const path = "/sys/module/dm_snapshot/parameters/snapshot_cow_threshold"
	if err := os.WriteFile(path, []byte(strconv.Itoa(n-1)), 0o644); err != nil {
		l.t.Fatal(err)
	}
}
