//go:build linux && lab

package clones

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/kernels"
)

// envClones is the number of clones to make.
const envClones = "DMSNAPCTL_CLONES"

// clonesByDefault has four clones of each class.
const clonesByDefault = 12

func TestMain(m *testing.M) {
	if len(os.Args) == 5 && os.Args[1] == inMachine {
		if err := act(os.Args[2], os.Args[3], os.Args[4]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestClonesOutliveTheirMachine(t *testing.T) {
	n := clonesByDefault
	if text := os.Getenv(envClones); text != "" {
		var err error
		if n, err = strconv.Atoi(text); err != nil || n < 1 {
			t.Fatalf("%s=%s: not a number of clones", envClones, text)
		}
	}
	for _, engine := range []lab.Engine{lab.UML, lab.QEMU} {
		t.Run(string(engine), func(t *testing.T) {
			kernel, err := kernels.Defaults[engine].Find()
			if err != nil {
				t.Fatal(err)
			}
			outlive(t, kernel.Kernel, n)
		})
	}
}

// outlive makes n clones in a machine, cuts its power and boots it again.
func outlive(t *testing.T, kernel lab.Kernel, n int) {
	disk := filepath.Join(t.TempDir(), "disk")
	f, err := os.Create(disk)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1<<30 + int64(n)<<23); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", disk).CombinedOutput(); err != nil {
		t.Fatalf("mkfs.ext4: %v: %s", err, out)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := &lines{t: t, seen: make(chan struct{})}
	m := lab.Machine{
		Kernel:    kernel,
		MemoryMiB: 1024 + 2*n, // the kernel needs about 1.2 MiB for a mounted clone, the race detector some hundred MiB
		Disks:     []lab.Disk{{Path: disk}},
		Modules:   []string{"dm-mod", "dm-bufio", "dm-snapshot", "loop", "ext4"},
		Program:   exe,
		Env:       []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin"},
		Stdout:    out, Stderr: out,
		Timeout: 20*time.Minute + time.Duration(n)*10*time.Second,
	}
	if kernel.Engine == lab.QEMU {
		m.Udev = lab.UdevStates[0]
	}
	m.Args = []string{inMachine, "make", kernel.Engine.DiskName(0), strconv.Itoa(n)}
	first, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(first.Crash)
	ended := make(chan struct{})
	go func() { _, _ = first.Wait(); close(ended) }()
	select {
	case <-out.seen:
		first.Crash()
	case <-ended:
		t.Fatalf("the machine ended before its power was cut:\n%s", out)
	}
	m.Args[1] = "check"
	second, err := m.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(second.Crash)
	if status, err := second.Wait(); err != nil || status != 0 {
		t.Fatalf("after the power cut: status %d, %v:\n%s", status, err, out)
	}
}

// lines logs the output of a machine, and notices when it is ready for the
// power cut.
type lines struct {
	t    *testing.T
	mu   sync.Mutex
	text bytes.Buffer
	once sync.Once
	seen chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(p)
	l.t.Log(strings.TrimSpace(string(p)))
	if strings.Contains(l.text.String(), ready) {
		l.once.Do(func() { close(l.seen) })
	}
	return len(p), nil
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
