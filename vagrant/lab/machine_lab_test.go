//go:build linux && lab

// Machines are booted here, on the host, by both engines: go test -tags lab.

package lab_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
)

// onEach runs a test on each engine's default kernel.
func onEach(t *testing.T, test func(t *testing.T, kernel lab.Kernel)) {
	for _, engine := range []lab.Engine{lab.UML, lab.QEMU} {
		t.Run(string(engine), func(t *testing.T) {
			kernel, err := kernels.Defaults[engine].Find()
			if err != nil {
				t.Fatal(err)
			}
			test(t, kernel.Kernel)
		})
	}
}

// shell is a machine that runs a script.
func shell(kernel lab.Kernel, script string) lab.Machine {
	return lab.Machine{
		Kernel:  kernel,
		Program: "/bin/sh",
		Args:    []string{"-c", script},
		Env:     []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Timeout: 2 * time.Minute,
	}
}

// start starts a machine that does not outlive the test.
func start(t *testing.T, m lab.Machine) *lab.Running {
	t.Helper()
	r, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Crash)
	return r
}

func TestExitStatusIsTheProgramsOwn(t *testing.T) { onEach(t, exitStatusIsTheProgramsOwn) }

func exitStatusIsTheProgramsOwn(t *testing.T, kernel lab.Kernel) {
	for script, want := range map[string]int{
		"true":          0,
		"exit 7":        7,
		"kill -KILL $$": 128 + int(unix.SIGKILL),
	} {
		got, err := start(t, shell(kernel, script)).Wait()
		if err != nil || got != want {
			t.Errorf("%s: status %d, error %v; want status %d", script, got, err, want)
		}
	}
}

func TestFailuresAreToldApart(t *testing.T) { onEach(t, failuresAreToldApart) }

func failuresAreToldApart(t *testing.T, kernel lab.Kernel) {
	limited := shell(kernel, "sleep 100")
	limited.Timeout = 5 * time.Second
	absent := shell(kernel, "")
	absent.Program = "/nonexistent"
	broken := shell(kernel, "")
	broken.Kernel.Binary = "/bin/false"
	for name, test := range map[string]struct {
		machine lab.Machine
		want    error
		says    string
	}{
		"panic":             {shell(kernel, "echo c >/proc/sysrq-trigger"), lab.ErrPanic, "sysrq triggered crash"},
		"time limit":        {limited, lab.ErrTimeout, ""},
		"no such program":   {absent, lab.ErrBoot, "/nonexistent"},
		"kernel that fails": {broken, lab.ErrBoot, ""},
	} {
		_, err := start(t, test.machine).Wait()
		if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: error %q, want %q that says %q", name, err, test.want, test.says)
			if failure := new(lab.Failure); errors.As(err, &failure) {
				t.Log(failure.Console)
			}
		}
	}
}

func TestOutputIsWholeBesideTheKernelsMessages(t *testing.T) {
	onEach(t, outputIsWholeBesideTheKernelsMessages)
}

func outputIsWholeBesideTheKernelsMessages(t *testing.T, kernel lab.Kernel) {
	var stdout, stderr, console bytes.Buffer
	m := shell(kernel, "seq 50000; seq 50000 >&2; for i in 1 2 3 4 5; do echo noise >/dev/kmsg; done; printf end")
	m.Stdout, m.Stderr, m.Console = &stdout, &stderr, &console
	if status, err := start(t, m).Wait(); err != nil || status != 0 {
		t.Fatalf("status %d, error %v", status, err)
	}
	var lines strings.Builder
	for i := range 50000 {
		fmt.Fprintln(&lines, i+1)
	}
	if got := stdout.String(); got != lines.String()+"end" {
		t.Errorf("standard output has %d bytes, want %d", len(got), lines.Len()+len("end"))
	}
	if got := stderr.String(); got != lines.String() {
		t.Errorf("standard error has %d bytes, want %d", len(got), lines.Len())
	}
	if !strings.Contains(console.String(), "noise") {
		t.Error("the console lacks what was written to the kernel's log")
	}
}

func TestHostIsReadOnlyButForWhatIsNamed(t *testing.T) { onEach(t, hostIsReadOnlyButForWhatIsNamed) }

func hostIsReadOnlyButForWhatIsNamed(t *testing.T, kernel lab.Kernel) {
	dir, other := t.TempDir(), t.TempDir()
	m := shell(kernel, `echo in >"$1/new" && ! echo in >"$2/new" && echo in >"$TMPDIR/new" && pwd`)
	m.Args = append(m.Args, "sh", dir, other)
	m.Writable, m.Dir = []string{dir}, dir
	var stdout bytes.Buffer
	m.Stdout = &stdout
	if status, err := start(t, m).Wait(); err != nil || status != 0 {
		t.Fatalf("status %d, error %v", status, err)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "new")); string(text) != "in\n" {
		t.Errorf("the file written in the machine has %q, error %v", text, err)
	}
	if got := strings.TrimSpace(stdout.String()); got != dir {
		t.Errorf("working directory %s, want %s", got, dir)
	}
}

// writes is a script that writes to its first argument, a disk, keeps it open,
// which is when User-mode Linux locks it, and never ends.
const writes = "exec 3<>$1; echo on disk >block && truncate -s 4096 block && dd if=block of=$1 oflag=direct bs=4096 && echo written; exec sleep 1000"

// untilWritten returns a machine that has written to its disk.
func untilWritten(t *testing.T, kernel lab.Kernel, disk string) *lab.Running {
	t.Helper()
	m := shell(kernel, "cd $TMPDIR && "+writes)
	m.Args = append(m.Args, "sh", kernel.Engine.DiskName(0))
	m.Disks = []lab.Disk{{Path: disk}}
	said := make(signal, 1)
	m.Stdout = said
	r := start(t, m)
	ended := make(chan error, 1)
	go func() { _, err := r.Wait(); ended <- err }()
	select {
	case <-said:
	case err := <-ended:
		t.Fatalf("the machine ended before it wrote: %v", err)
	}
	return r
}

// signal is a writer that reports the first write to it.
type signal chan struct{}

func (s signal) Write(p []byte) (int, error) {
	select {
	case s <- struct{}{}:
	default:
	}
	return len(p), nil
}

// blankDisk makes a disk file.
func blankDisk(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 16<<20)); err != nil {
		t.Fatal(err)
	}
	return path
}

// lockDisk takes the lock that the kernel takes on its disks.
func lockDisk(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

func TestCrashKeepsTheDiskAndFreesIt(t *testing.T) { onEach(t, crashKeepsTheDiskAndFreesIt) }

func crashKeepsTheDiskAndFreesIt(t *testing.T, kernel lab.Kernel) {
	disk := blankDisk(t)
	files := t.TempDir() // of the machines on the host
	t.Setenv("TMPDIR", files)
	for range 2 { // the second machine could not start on a locked disk
		r := untilWritten(t, kernel, disk)
		if err := lockDisk(disk); err == nil {
			t.Error("the running machine has no lock on its disk")
		}
		r.Crash()
		if _, err := r.Wait(); !errors.Is(err, lab.ErrCrashed) {
			t.Errorf("Wait after the crash: %v, want %v", err, lab.ErrCrashed)
		}
		if err := lockDisk(disk); err != nil {
			t.Errorf("the crashed machine still holds its disk: %v", err)
		}
		if left, err := os.ReadDir(files); len(left) > 0 || err != nil {
			t.Errorf("the machine's files are left: %v, %v", left, err)
		}
	}
	text, err := os.ReadFile(disk)
	if err != nil || !bytes.HasPrefix(text, []byte("on disk\n")) {
		t.Errorf("the disk begins with %q, error %v", text[:min(8, len(text))], err)
	}
}

func TestTwoMachinesAtOnce(t *testing.T) { onEach(t, twoMachinesAtOnce) }

func twoMachinesAtOnce(t *testing.T, kernel lab.Kernel) {
	a, b := untilWritten(t, kernel, blankDisk(t)), untilWritten(t, kernel, blankDisk(t))
	ended := make(chan struct{})
	go func() { _, _ = b.Wait(); close(ended) }()
	a.Crash()
	select {
	case <-ended:
		t.Error("the crash of one machine ended the other")
	default:
	}
	b.Crash()
}

// starterVariable makes this test binary a process that starts a machine on the
// disk it names, reports, and waits for its own end.
const starterVariable = "DMSNAPCTL_LAB_STARTER"

func TestMachineEndsWithItsStarter(t *testing.T) { onEach(t, machineEndsWithItsStarter) }

func machineEndsWithItsStarter(t *testing.T, kernel lab.Kernel) {
	if disk := os.Getenv(starterVariable); disk != "" {
		untilWritten(t, kernel, disk)
		fmt.Println("running")
		select {}
	}
	disk := blankDisk(t)
	starter := exec.Command(os.Args[0], "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	starter.Env = append(os.Environ(), starterVariable+"="+disk)
	said := make(signal, 1)
	starter.Stdout = said
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	<-said
	if err := starter.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = starter.Wait() // says that it was killed
	// The machine soon ends by itself; go test's own limit bounds the wait.
	for lockDisk(disk) != nil {
		time.Sleep(10 * time.Millisecond)
	}
}

// What udev does with a new device, as seen in the machine.
func TestUdevIsAsAskedFor(t *testing.T) {
	kernel, err := kernels.Defaults[lab.UML].Find()
	if err != nil {
		t.Fatal(err)
	}
	for state, want := range map[string]string{
		"":      "no socket, no link",
		"alive": "socket, link",
		"hung":  "socket, no link",
		"dead":  "socket, no link",
	} {
		m := shell(kernel.Kernel, `dmsetup create d --noudevsync --table "0 8 zero"
			test -S /run/udev/control && printf "socket, " || printf "no socket, "
			if [ "$1" = alive ]; then udevadm settle --timeout=60; else sleep 2; fi
			test -L /dev/mapper/d && printf link || printf "no link"`)
		m.Args = append(m.Args, "sh", state)
		m.Modules, m.Udev = []string{"dm-mod", "dm-zero"}, state
		var stdout bytes.Buffer
		m.Stdout = &stdout
		if status, err := start(t, m).Wait(); err != nil || status != 0 {
			t.Fatalf("udev %s: status %d, error %v", state, status, err)
		}
		if got := stdout.String(); got != want {
			t.Errorf("udev %q: %s, want %s", state, got, want)
		}
	}
}

// While the kernel patches its own code, one processor runs; the program has
// all of them.
func TestProcessorsStartAfterTheKernel(t *testing.T) {
	kernel, err := kernels.Defaults[lab.QEMU].Find()
	if err != nil {
		t.Fatal(err)
	}
	var stdout, console bytes.Buffer
	m := shell(kernel.Kernel, "nproc")
	m.CPUs, m.Stdout, m.Console = 3, &stdout, &console
	if status, err := start(t, m).Wait(); err != nil || status != 0 {
		t.Fatalf("status %d, error %v", status, err)
	}
	if got := strings.TrimSpace(stdout.String()); got != "3" {
		t.Errorf("the program has %s processors, want 3", got)
	}
	_, after, found := strings.Cut(console.String(), "Run /init")
	if started := "smpboot: Booting Node"; !found || strings.Count(console.String(), started) != 2 || strings.Count(after, started) != 2 {
		t.Errorf("the other two processors did not start after /init:\n%s", console.String())
	}
}
