//go:build linux && kernel

// Fixtures: logs that real kernels wrote, small enough to be kept.

package crash_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

var update = flag.Bool("update", false, "write the fixtures anew")

// fixtureDir must be opened to the test machine: lab exec -write testdata/crash.
var fixtureDir = filepath.Join("..", "..", "testdata", "crash")

// TestFixtures records the scenario with slow copies on the smallest chunks,
// of one sector, in which an area holds 32 exceptions. With -update the log
// becomes the fixture of this kernel.
func TestFixtures(t *testing.T) {
	r := newRig(t, 512, 1)
	const chunk = 1 // sector
	// Exceptions 24 to 26 are copied late: chunks 26 to 28.
	cowDev := r.slowPiece("cow0", 0, 26, 3)
	r.snapshots(chunk, cowDev)
	r.writeSectors("/dev/mapper/origin", false, 0, 24)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.writeSectors("/dev/mapper/origin", true, 24, 3)
	}()
	time.Sleep(50 * time.Millisecond)
	r.writeSectors("/dev/mapper/origin", true, 27, 20)
	<-done
	l := r.log()
	report := r.explore(l, r.options())
	r.expect(report, true)
	if r.kind == allocator.Leaky && report.Worst.Leaked != 3 {
		t.Errorf("worst %+v, want 3 leaked chunks", report.Worst)
	}
	if *update && r.kind != allocator.Mended {
		r.keep(l)
	}
}

// keep stores the log as the fixture of this kernel.
func (r *rig) keep(l *logwrites.Log) {
	r.t.Helper()
	name := map[allocator.Kernel]string{allocator.Fixed: "stock", allocator.Leaky: "leaky"}[r.kind]
	r.pack(name+".log.gz", r.logUpToEnd(l))
	r.pack("base.img.gz", r.base[:64*512])
}

// keptChunks is how much of the origin is kept with a finding, in chunks. The
// rest is neither written nor read.
const keptChunks = 128

// keepFinding makes a log and its base image a fixture, with -update and on
// the kernel with the leak fix.
func (r *rig) keepFinding(name string, l *logwrites.Log) {
	r.t.Helper()
	if !*update || r.kind != allocator.Fixed {
		return
	}
	base := bytes.Clone(r.base[:int(r.stores[0].Start)*512+64<<10])
	clear(base[keptChunks*chunk4K*512 : int(r.stores[0].Start)*512])
	r.pack(name+".log.gz", r.logUpToEnd(l))
	r.pack(name+".img.gz", base)
}

func (r *rig) logUpToEnd(l *logwrites.Log) []byte {
	r.t.Helper()
	return readDirect(r.t, r.logDisk, logBytes)[:l.Bytes()]
}

func (r *rig) pack(name string, data []byte) {
	r.t.Helper()
	if err := pack(filepath.Join(fixtureDir, name), data); err != nil {
		r.t.Fatal(err)
	}
}

func pack(path string, data []byte) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := z.Write(data); err != nil {
		return err
	}
	return z.Close()
}

// writeSectors writes n sectors from first on.
func (r *rig) writeSectors(path string, atOnce bool, first, n int) {
	r.t.Helper()
	r.writePieces(path, atOnce, 1, cow.SectorSize, places(first, n)...)
}
