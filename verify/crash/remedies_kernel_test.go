//go:build linux && kernel

// The cost of the remedies of docs/crash-findings.md: the same benchmarks on
// the distribution's dm-snapshot and on the mended one.

package crash_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// bench is an origin and a COW device on two scratch disks, without a log.
type bench struct {
	*testing.B
	cowDisk string
	devices []string
}

const benchSectors = 64 << 11

func newBench(b *testing.B) *bench {
	d := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(d) < 2 {
		b.Fatalf("DMSNAPCTL_TEST_DISKS names %d disks, want at least 2", len(d))
	}
	x := &bench{B: b, cowDisk: d[1]}
	b.Cleanup(func() { x.remove(len(x.devices)) })
	x.create("bench-real", "linear "+d[0]+" 0")
	return x
}

// create creates a device as large as the origin.
func (x *bench) create(name, target string) {
	x.createOf(name, benchSectors, target)
}

func (x *bench) createOf(name string, sectors int, target string) {
	x.dmsetup("create", name, "--table", fmt.Sprintf("0 %d %s", sectors, target))
	x.devices = append(x.devices, name)
}

// remove removes the last n devices.
func (x *bench) remove(n int) {
	for range n {
		last := len(x.devices) - 1
		x.dmsetup("remove", "--retry", x.devices[last])
		x.devices = x.devices[:last]
	}
}

func (x *bench) dmsetup(command string, args ...string) {
	x.Helper()
	cmd := exec.Command("dmsetup", append([]string{command}, args...)...)
	cmd.Env = dmsetupEnv()
	if out, err := cmd.CombinedOutput(); err != nil {
		x.Fatalf("dmsetup %s %q: %v\n%s", command, args, err, out)
	}
}

// snapshot creates a COW device with room for some chunks, blank, and makes a
// snapshot on it.
func (x *bench) snapshot(chunks int) {
	x.createOf("bench-cow", chunks*chunk4K, "linear "+x.cowDisk+" 0")
	x.write("/dev/mapper/bench-cow", 0, 0)
	x.write("/dev/mapper/bench-cow", 1, 0)
	x.create("bench-snap", "snapshot /dev/mapper/bench-real /dev/mapper/bench-cow P 8")
}

// write fills a chunk of a device.
func (x *bench) write(path string, chunk int, fill byte) {
	x.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		x.Fatal(err)
	}
	defer f.Close()
	buf := blockdev.AlignedBuffer(chunk4K * 512)
	for i := range buf {
		buf[i] = fill
	}
	if _, err := f.WriteAt(buf, int64(chunk)*chunk4K*512); err != nil {
		x.Fatal(err)
	}
}

// BenchmarkCommit is one write to a chunk of the origin that has no exception:
// a copy, a commit, the write. Run it with at most 16,000 iterations.
func BenchmarkCommit(b *testing.B) {
	x := newBench(b)
	x.snapshot(benchSectors / chunk4K * 2)
	x.create("bench-origin", "snapshot-origin /dev/mapper/bench-real")
	chunk := 0
	for b.Loop() {
		x.write("/dev/mapper/bench-origin", chunk, 1)
		chunk++
	}
}

// BenchmarkCreate is loading the table of a snapshot with a blank store.
func BenchmarkCreate(b *testing.B) {
	x := newBench(b)
	x.createOf("bench-cow", 1024*chunk4K, "linear "+x.cowDisk+" 0")
	for b.Loop() {
		b.StopTimer()
		x.write("/dev/mapper/bench-cow", 0, 0)
		b.StartTimer()
		x.create("bench-snap", "snapshot /dev/mapper/bench-real /dev/mapper/bench-cow P 8")
		b.StopTimer()
		x.remove(1)
		b.StartTimer()
	}
}

// BenchmarkInvalidate is the write that finds the store full.
func BenchmarkInvalidate(b *testing.B) {
	x := newBench(b)
	for b.Loop() {
		b.StopTimer()
		x.snapshot(4)
		x.create("bench-origin", "snapshot-origin /dev/mapper/bench-real")
		x.write("/dev/mapper/bench-origin", 0, 1)
		x.write("/dev/mapper/bench-origin", 1, 1)
		b.StartTimer()
		x.write("/dev/mapper/bench-origin", 2, 1)
		b.StopTimer()
		x.remove(3)
		b.StartTimer()
	}
}
