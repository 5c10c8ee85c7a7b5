//go:build linux && kernel

package dmctl

// How long creating a snapshot of an active dm origin stops its I/O: the
// longest write of a 4 KiB O_DIRECT writer, for four ways to create it. The first
// is a call of this package, the others are processes. Run with -bench Pause
// -benchtime 10x, after make build.

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// timedWriter writes at random places until it is stopped and remembers the
// longest write.
func timedWriter(b *testing.B, path string, size int64) (stop func() time.Duration) {
	b.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		b.Fatal(err)
	}
	quit, longest := make(chan bool), make(chan time.Duration)
	go func() {
		defer f.Close()
		buf := blockdev.AlignedBuffer(4096)
		var most time.Duration
		for n := int64(1); ; n++ {
			select {
			case <-quit:
				longest <- most
				return
			default:
			}
			start := time.Now()
			if _, err := f.WriteAt(buf, n*2654435761%(size/4096)*4096); err != nil {
				b.Error(err)
			}
			most = max(most, time.Since(start))
		}
	}()
	return func() time.Duration { close(quit); return <-longest }
}

// way is one way to create and remove a snapshot of the device origin.
type way struct {
	name           string
	setup          func(b *testing.B, c *Controller, disks []string) (origin string)
	create, remove func(b *testing.B, c *Controller, origin string, disks []string)
}

func sh(b *testing.B, script string) {
	b.Helper()
	if out, err := exec.Command("/bin/sh", "-ec", script).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", script, err, out)
	}
}

func onLinear(b *testing.B, c *Controller, disks []string) string {
	sh(b, fmt.Sprintf("echo 0 262144 linear %s 0 | dmsetup create --noudevsync vol; dmsetup mknodes vol", disks[0]))
	return "/dev/mapper/vol"
}

// program is what make build makes; tests run in the directory of their package.
const program = "../bin/dmsnapctl"

var ways = []way{
	{"library", onLinear,
		func(b *testing.B, c *Controller, origin string, disks []string) {
			if err := c.Create(b.Context(), CreateRequest{Name: "s", Origin: origin, COW: disks[1], ChunkBytes: 32 << 9, Force: true}); err != nil {
				b.Fatal(err)
			}
		},
		func(b *testing.B, c *Controller, _ string, _ []string) {
			if err := c.Remove(b.Context(), RemoveRequest{Name: "s"}); err != nil {
				b.Fatal(err)
			}
		}},
	{"dmsnapctl", onLinear,
		func(b *testing.B, _ *Controller, origin string, disks []string) {
			sh(b, fmt.Sprintf("%s create s --origin %s --cow %s --chunk-size 16K --force --yes", program, origin, disks[1]))
		},
		func(b *testing.B, _ *Controller, _ string, _ []string) { sh(b, program+" remove s --yes") }},
	{"dmsetup", onLinear,
		func(b *testing.B, _ *Controller, _ string, disks []string) {
			sh(b, fmt.Sprintf(`dd if=/dev/zero of=%[2]s bs=32k count=1 oflag=direct status=none
echo 0 262144 linear %[1]s 0 | dmsetup create --noudevsync vol-real
dmsetup mknodes
echo 0 262144 snapshot-origin /dev/mapper/vol-real | dmsetup load vol
dmsetup create --noudevsync --notable s
dmsetup mknodes
echo 0 262144 snapshot /dev/mapper/vol-real %[2]s P 32 | dmsetup load s
dmsetup suspend vol
dmsetup resume --noudevsync s
dmsetup resume --noudevsync vol`, disks[0], disks[1]))
		},
		func(b *testing.B, _ *Controller, _ string, disks []string) {
			sh(b, fmt.Sprintf(`echo 0 262144 linear %s 0 | dmsetup load vol
dmsetup remove --noudevsync s
dmsetup suspend vol; dmsetup resume --noudevsync vol
dmsetup remove --noudevsync vol-real`, disks[0]))
		}},
	{"lvcreate", onLVM,
		func(b *testing.B, _ *Controller, _ string, _ []string) {
			lvm(b, "lvcreate -qq -s -n s -L 64m -c 16k vg/vol")
		},
		func(b *testing.B, _ *Controller, _ string, _ []string) { lvm(b, "lvremove -qq -y vg/s") }},
}

// onLVM makes the logical volume vg/vol, with LVM configured to work without
// udev and monitoring.
func onLVM(b *testing.B, _ *Controller, disks []string) string {
	dir := b.TempDir()
	config := filepath.Join(dir, "lvm.conf")
	text := fmt.Sprintf(`activation { udev_sync=0 udev_rules=0 monitoring=0 }
devices { use_devicesfile=0 scan_lvs=0 dir="/dev" filter=["a|%s|","a|%s|","r|.*|"] }
global { locking_dir="%[3]s" use_lvmpolld=0 }
backup { backup=0 archive=0 backup_dir="%[3]s" archive_dir="%[3]s" }
`, disks[0], disks[1], dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	b.Setenv("LVM_SYSTEM_DIR", dir)
	b.Setenv("DM_DISABLE_UDEV", "1")
	lvm(b, fmt.Sprintf("pvcreate -qq -ff -y %[1]s %[2]s && lvm vgcreate -qq vg %[1]s %[2]s && lvm lvcreate -qq -y -n vol -L 128m vg %[1]s", disks[0], disks[1]))
	return "/dev/vg/vol"
}

func lvm(b *testing.B, command string) {
	b.Helper()
	sh(b, "lvm "+command)
}

func BenchmarkPause(b *testing.B) {
	for _, w := range ways {
		b.Run(w.name, func(b *testing.B) {
			c, disks := scratch(b)
			origin := w.setup(b, c, disks)
			var longest, held []float64
			if w.name == "library" {
				c.e.Machine = timedKernel{c.e.Machine, &held}
			}
			for b.Loop() {
				stop := timedWriter(b, origin, 128*mib)
				time.Sleep(100 * time.Millisecond)
				w.create(b, c, origin, disks)
				longest = append(longest, ms(stop()))
				created := len(held)
				w.remove(b, c, origin, disks)
				held = held[:created]
			}
			report(b, "longest-write", longest)
			if len(held) > 0 { // the others make their calls in other processes
				slices.Sort(held)
				b.ReportMetric(median(held), "ms-suspended")
			}
			if w.name == "lvcreate" {
				lvm(b, "vgremove -qq -ff -y vg")
			}
		})
	}
}

// timedKernel measures the time of the calls that suspend and resume the
// origin, which is one call.
type timedKernel struct {
	Machine
	held *[]float64
}

func (k timedKernel) Resume(name devices.Name, udev devices.Udev) error {
	start := time.Now()
	err := k.Machine.Resume(name, udev)
	if name.String() == "vol" {
		*k.held = append(*k.held, ms(time.Since(start)))
	}
	return err
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median is the median of sorted values: for an even number, the mean of the
// two in the middle.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func TestMedian(t *testing.T) {
	for want, values := range map[float64][]float64{7: {7}, 5: {4, 6}, 2: {1, 2, 9}, 2.5: {1, 2, 3, 9}} {
		if got := median(values); got != want {
			t.Errorf("%v: %v, want %v", values, got, want)
		}
	}
}

// report gives the median and the extremes.
func report(b *testing.B, what string, values []float64) {
	slices.Sort(values)
	b.ReportMetric(median(values), "ms-"+what)
	b.ReportMetric(values[0], "ms-least")
	b.ReportMetric(values[len(values)-1], "ms-most")
	b.ReportMetric(0, "ns/op")
}
