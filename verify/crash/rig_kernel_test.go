//go:build linux && kernel

// The rig: a scratch disk under dm-log-writes, cut into an origin and COW
// stores, with the kernel's own snapshots on top.

package crash_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// Sizes of the parts of a recording.
const (
	originSectors = 8 << 11 // 8 MiB
	cowSectors    = 16 << 11
	logBytes      = 24 << 20
	chunk4K       = 8 // sectors
)

// disks are the scratch disks of the test machine.
func disks(t *testing.T) []string {
	t.Helper()
	d := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(d) < 4 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS names %d disks, want at least 4", len(d))
	}
	return d
}

// dmsetupEnv is the environment of dmsetup. It makes nodes itself only where no
// udev does: two that do so get in each other's way.
func dmsetupEnv() []string {
	if _, err := os.Stat("/run/udev/control"); err == nil {
		return os.Environ()
	}
	return append(os.Environ(), "DM_DISABLE_UDEV=1")
}

// run runs a program and returns its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = dmsetupEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// kernelKind reports whether this kernel has the leak fix, and whether it is
// the lab's mended one.
func kernelKind(t *testing.T) allocator.Kernel {
	t.Helper()
	if os.Getenv("DMSNAPCTL_TEST_KERNEL") == "mended" {
		return allocator.Mended
	}
	for _, line := range strings.Split(run(t, "dmsetup", "targets"), "\n") {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "snapshot" {
			if strings.HasPrefix(f[1], "v1.11.") {
				return allocator.Leaky
			}
			return allocator.Fixed
		}
	}
	t.Fatal("the kernel has no target snapshot")
	return ""
}

// rig is one recording.
type rig struct {
	t       *testing.T
	kind    allocator.Kernel
	block   int // logical block size, bytes
	data    string
	logDisk string
	replay  string
	stores  []crash.Region
	devices []string // to be removed, last one first
	loops   []string
	base    []byte // what the data disk holds before recording
}

// newRig prepares the disks: an origin with a pattern, stores of zeros.
func newRig(t *testing.T, block, stores int) *rig {
	t.Helper()
	d := disks(t)
	r := &rig{t: t, kind: kernelKind(t), block: block, data: d[0], logDisk: d[1], replay: d[2]}
	t.Cleanup(r.takeDown)
	r.base = make([]byte, (originSectors+stores*cowSectors)*512)
	for c := range originSectors * 512 / 4096 {
		fill(r.base[c*4096:][:4096], c, 0)
	}
	for i := range stores {
		r.stores = append(r.stores, crash.Region{Start: cow.Sectors(originSectors + i*cowSectors), Len: cowSectors})
	}
	writeDirect(t, r.data, 0, r.base)
	writeDirect(t, r.logDisk, 0, make([]byte, logBytes))
	if block != 512 {
		r.data, r.replay = r.loop(r.data), r.loop(r.replay)
	}
	r.create("lw", fmt.Sprintf("0 %d log-writes %s %s", len(r.base)/512, r.data, r.logDisk))
	return r
}

// loop puts a disk under a loop device with the rig's block size.
func (r *rig) loop(disk string) string {
	loadLoop(r.t)
	name := run(r.t, "losetup", "--find", "--show", "--sector-size", strconv.Itoa(r.block), disk)
	r.loops = append(r.loops, name)
	return name
}

// loadLoop makes the kernel load its loop driver. User-mode Linux keeps its
// modules where modprobe does not look.
func loadLoop(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/dev/loop-control"); err == nil || exec.Command("modprobe", "loop").Run() == nil {
		return
	}
	module, err := os.Open("/usr/lib/uml/modules/" + run(t, "uname", "-r") + "/kernel/drivers/block/loop.ko")
	if err != nil {
		t.Fatal(err)
	}
	defer module.Close()
	if err := unix.FinitModule(int(module.Fd()), "", 0); err != nil {
		t.Fatalf("loading %s: %v", module.Name(), err)
	}
}

// fill writes blocks that contain their place and the number of the write.
func fill(b []byte, place, generation int) {
	for i := 0; i < len(b); i += 512 {
		binary.LittleEndian.PutUint64(b[i:], uint64(place)<<24|uint64(i/512)<<8|0x55)
		binary.LittleEndian.PutUint64(b[i+8:], uint64(generation))
	}
}

func (r *rig) create(name string, table ...string) string {
	r.t.Helper()
	cmd := exec.Command("dmsetup", "create", name)
	cmd.Env = dmsetupEnv()
	cmd.Stdin = strings.NewReader(strings.Join(table, "\n"))
	if out, err := cmd.CombinedOutput(); err != nil {
		r.t.Fatalf("dmsetup create %s: %v\n%s\n%s", name, err, strings.Join(table, "\n"), out)
	}
	r.devices = append(r.devices, name)
	return "/dev/mapper/" + name
}

func (r *rig) dm(args ...string) string {
	r.t.Helper()
	return run(r.t, "dmsetup", append([]string{args[0], "--noudevsync"}, args[1:]...)...)
}

func (r *rig) remove(names ...string) {
	r.t.Helper()
	for _, name := range names {
		r.dm("remove", "--retry", name)
		r.devices = slices.DeleteFunc(r.devices, func(d string) bool { return d == name })
	}
}

// removeAll removes all devices, the upper ones first.
func (r *rig) removeAll() {
	r.t.Helper()
	for len(r.devices) > 0 {
		r.remove(r.devices[len(r.devices)-1])
	}
}

// takeDown leaves nothing behind, even after a failure.
func (r *rig) takeDown() {
	for i := len(r.devices) - 1; i >= 0; i-- {
		_ = exec.Command("dmsetup", "remove", "--noudevsync", "--retry", r.devices[i]).Run()
	}
	for _, l := range r.loops {
		_ = exec.Command("losetup", "--detach", l).Run()
	}
}

// mark flushes the disk and marks the log.
func (r *rig) mark(text string) {
	r.t.Helper()
	f, err := os.OpenFile("/dev/mapper/lw", os.O_RDWR, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		r.t.Fatal(err)
	}
	run(r.t, "dmsetup", "message", "lw", "0", "mark", text)
}

// log takes everything down and reads the log.
func (r *rig) log() *logwrites.Log {
	r.t.Helper()
	r.removeAll()
	image := readDirect(r.t, r.logDisk, logBytes)
	l, err := logwrites.Open(bytes.NewReader(image), int64(len(image)))
	if err != nil {
		r.t.Fatal(err)
	}
	if !l.Complete() || l.SectorSize != uint64(r.block) {
		r.t.Fatalf("the log is not complete: %q, sectors of %d bytes", l.Warnings(), l.SectorSize)
	}
	return l
}

func (r *rig) options() crash.Options {
	return crash.Options{
		Origin: crash.Region{Start: 0, Len: originSectors}, COW: r.stores,
		Base: bytes.NewReader(r.base), BaseSize: int64(len(r.base)),
		FromMark: "frozen", Expect: r.kind,
	}
}

func (r *rig) explore(l *logwrites.Log, opt crash.Options) *crash.Report {
	r.t.Helper()
	report, err := crash.Explore(context.Background(), l, opt)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// writeDirect bypasses the page cache, and flushes.
func writeDirect(t *testing.T, path string, offset int64, data []byte) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	buf := blockdev.AlignedBuffer(1 << 20)
	for len(data) > 0 {
		n := copy(buf, data)
		if _, err := f.WriteAt(buf[:n], offset); err != nil {
			t.Fatal(err)
		}
		data, offset = data[n:], offset+int64(n)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
}

func readDirect(t *testing.T, path string, size int) []byte {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECT, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := blockdev.AlignedBuffer(size)
	for at := 0; at < size; at += 1 << 20 {
		piece := data[at:min(size, at+1<<20)]
		if _, err := f.ReadAt(piece, int64(at)); err != nil {
			t.Fatalf("%s at %d: %v", path, at, err)
		}
	}
	return data
}

// write writes 4 KiB pieces at the places (in units of 4 KiB). With atOnce,
// each has its own goroutine.
func (r *rig) write(path string, atOnce bool, generation int, places ...int) {
	r.t.Helper()
	r.writePieces(path, atOnce, generation, 4096, places...)
}

// writePieces is write for pieces of another size, in bytes.
func (r *rig) writePieces(path string, atOnce bool, generation, size int, places ...int) {
	r.t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_DIRECT, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	one := func(place int) {
		buf := blockdev.AlignedBuffer(size)
		fill(buf, place, generation)
		if _, err := f.WriteAt(buf, int64(place)*int64(size)); err != nil {
			r.t.Errorf("%s, place %d: %v", path, place, err)
		}
	}
	var all sync.WaitGroup
	for _, place := range places {
		if !atOnce {
			one(place)
			continue
		}
		all.Go(func() { one(place) })
	}
	all.Wait()
}

func places(first, n int) []int {
	p := make([]int, n)
	for i := range p {
		p[i] = first + i
	}
	return p
}

// slowCOW is a COW device over the log whose chunks 202 to 207 are written
// late.
func (r *rig) slowCOW(name string, store int) string {
	return r.slowPiece(name, store, 202*chunk4K, 6*chunk4K)
}

// slowPiece is a COW device over the log. Writes to n sectors from first on
// are late.
func (r *rig) slowPiece(name string, store, first, n int) string {
	const delay = 2000 // ms: long enough to overtake these writes even on a busy machine
	at := int(r.stores[store].Start)
	lw := "/dev/mapper/lw"
	return r.create(name,
		fmt.Sprintf("0 %d linear %s %d", first, lw, at),
		fmt.Sprintf("%d %d delay %s %d 0 %s %d %d %s %d 0", first, n, lw, at+first, lw, at+first, delay, lw, at+first),
		fmt.Sprintf("%d %d linear %s %d", first+n, cowSectors-first-n, lw, at+first+n))
}

func (r *rig) linear(name string, start, length int) string {
	return r.create(name, fmt.Sprintf("0 %d linear /dev/mapper/lw %d", length, start))
}

// snapshots makes an origin and a persistent snapshot on each COW device, frozen
// at a mark.
func (r *rig) snapshots(chunk int, cows ...string) {
	r.t.Helper()
	r.snapshotsOf(fmt.Sprintf("P %d", chunk), cows...)
}

// snapshotsOf is snapshots with other arguments after the devices.
func (r *rig) snapshotsOf(arguments string, cows ...string) {
	r.t.Helper()
	o := r.linear("real", 0, originSectors)
	r.mark("frozen")
	for i, c := range cows {
		r.create(fmt.Sprintf("snap%d", i), fmt.Sprintf("0 %d snapshot %s %s %s", originSectors, o, c, arguments))
	}
	r.create("origin", fmt.Sprintf("0 %d snapshot-origin %s", originSectors, o))
}

// status returns the numbers of a snapshot's status line, in sectors.
func (r *rig) status(name string) (allocated, total, metadata int) {
	r.t.Helper()
	line := r.dm("status", name)
	if _, err := fmt.Sscanf(line, "0 "+strconv.Itoa(originSectors)+" snapshot %d/%d %d", &allocated, &total, &metadata); err != nil {
		r.t.Fatalf("status of %s is %q: %v", name, line, err)
	}
	return allocated, total, metadata
}

// waitFor polls until done.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 600 {
		if done() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited too long for %s", what)
}
