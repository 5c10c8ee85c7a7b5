//go:build linux && kernel

// Checkers on images shown through FUSE: mounts of a real kernel, and e2fsck.

package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// ext4 is an image of a small file system.
func ext4(t *testing.T) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "ext4")
	if out, err := exec.Command("mke2fs", "-q", "-t", "ext4", "-b", "1024", name, "1M").CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v: %s", err, out)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// xfs is an image of a small file system whose log has to be replayed: it was
// shut down while mounted.
func xfs(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	name, at := filepath.Join(dir, "xfs"), filepath.Join(dir, "mounted")
	// The variables let mkfs.xfs make less than 300 MB; xfs_repair wants two groups.
	inShell(t, fmt.Sprintf(`export TEST_DIR=1 TEST_DEV=1 QA_CHECK_FS=1
		truncate -s 32M %[1]s && mkfs.xfs -q -d agcount=2 %[1]s && mkdir %[2]s && mount -o loop %[1]s %[2]s &&
		echo hello >%[2]s/file && xfs_io -x -c "shutdown -f" %[2]s && umount %[2]s`, name, at))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func inShell(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// xfsRepair is the command in the documentation.
func xfsRepair(view crash.View, dir string) Options {
	return Options{Command: `d=$(mktemp -d) && trap "rmdir $d" EXIT && mount -o loop,nouuid {} $d && umount $d && xfs_repair -n {}`, View: view, Dir: dir}
}

// e2fsck is the command in the documentation.
func e2fsck(view crash.View, dir string) Options {
	return Options{Command: "e2fsck -fy", Good: []int{1}, View: view, Dir: dir}
}

func exploreMounted(t *testing.T, k *kernel, o Options) *crash.Report {
	t.Helper()
	l, opt := k.done()
	r, err := Explore(context.Background(), l, opt, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Warnings) > 0 {
		t.Errorf("warnings %q", r.Warnings)
	}
	if left, err := filepath.Glob(filepath.Join(o.Dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
	return r
}

// TestFileSystemsOnSnapshots: overwriting an origin's file system does not affect
// the snapshot's. A kernel that overwrites before it has copied damages it in
// some states.
func TestFileSystemsOnSnapshots(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	manual, err := os.ReadFile("../../../docs/crash.md")
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		make  func(*testing.T) []byte
		check func(crash.View, string) Options
		// chunks are overwritten: superblock, group descriptors, tables. Checking
		// an xfs takes long.
		chunks int
	}{"ext4": {ext4, e2fsck, 4}, "xfs": {xfs, xfsRepair, 1}} {
		t.Run(name, func(t *testing.T) {
			image := test.make(t)
			for _, tooEarly := range []bool{false, true} {
				k := newKernel(t, image)
				k.tooEarly = tooEarly
				for c := range test.chunks {
					k.overwrite(cow.Chunk(c), 'X')
				}
				checker := test.check(crash.SnapshotView, t.TempDir())
				if !strings.Contains(string(manual), "| `'"+checker.Command+"'") {
					t.Errorf("docs/crash.md does not have %s", checker.Command)
				}
				r := exploreMounted(t, k, checker)
				if r.UndecidedChecks != 0 || r.Runs == 0 || (r.FailedChecks > 0) != tooEarly {
					t.Errorf("too early %v: %+v", tooEarly, r.Checks)
				}
				if (r.Runs == 1) == tooEarly {
					t.Errorf("too early %v: %d runs", tooEarly, r.Runs)
				}
			}
		})
	}
}

// TestCheckersRepairTheirOwnCopy: the next checker does not see what one
// checker writes, and neither does the base image.
func TestCheckersRepairTheirOwnCopy(t *testing.T) {
	k := newKernel(t, ext4(t)).with(0)
	k.overwrite(100, 'Y') // a data block: the file system stays whole
	before := strings.Clone(string(k.base))
	o := Options{Command: `test "$(head -c 4 {})" != MINE && printf MINE | dd of={} conv=notrunc,fsync && test "$(head -c 4 {})" = MINE`, View: crash.OriginView, Dir: t.TempDir(), Jobs: 4}
	r := exploreMounted(t, k, o)
	if r.FailedChecks+r.UndecidedChecks != 0 || r.Runs < 2 {
		t.Errorf("%+v", r.Checks)
	}
	if string(k.base) != before {
		t.Error("the base image has changed")
	}
}

func rooms(t *testing.T, dir string) []string {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(dir, roomName))
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestMain can make this program one that opens a room and is then killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CHECK_TEST_ROOM"); dir != "" {
		if _, err := openRoom(dir); err != nil {
			panic(err)
		}
		fmt.Print("open")
		select {}
	}
	os.Exit(m.Run())
}

// TestKilledRunsAreCleared by the next run. Rooms of living processes are not.
func TestKilledRunsAreCleared(t *testing.T) {
	dir := t.TempDir()
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "CHECK_TEST_ROOM="+dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	open := func() {
		r, err := openRoom(dir)
		if err == nil {
			err = r.close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if open(); len(rooms(t, dir)) != 1 {
		t.Errorf("while another run lives there are %q", rooms(t, dir))
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if open(); len(rooms(t, dir)) != 0 {
		t.Errorf("after it was killed there are %q", rooms(t, dir))
	}
	if mounts, err := os.ReadFile("/proc/self/mounts"); err != nil || strings.Contains(string(mounts), dir) {
		t.Errorf("something is mounted yet, or %v", err)
	}
}

// TestInterruptTakesTheMountDown while a checker has the image open.
func TestInterruptTakesTheMountDown(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(time.Second, cancel)
	l, opt := newKernel(t, letters(4)).with(2).done()
	_, err := Explore(ctx, l, opt, Options{Command: `exec <{}; sleep 63; :`, View: crash.DiskView, Dir: dir})
	if err == nil {
		t.Error("no error")
	}
	if left := rooms(t, dir); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}
