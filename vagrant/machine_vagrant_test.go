//go:build linux && vagrant

package vagrant_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/vagrant/box"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/matrix"
)

// The test program is also the first process of the world that Vagrant runs in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == box.Inside {
		status, err := box.Begin(os.Args[2:])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(status)
	}
	os.Exit(m.Run())
}

// What machine.sh must have seen, in order.
var seen = []string{"tested", "running", "installed", "checked", "cloned", "enabled", "clone-at-boot", "nothing-failed", "removed", "destroyed"}

// TestVagrantMachine brings the project's own Vagrantfile up in a world of its
// own, and looks at what machine.sh says. The machine must not change by it.
func TestVagrantMachine(t *testing.T) {
	path, err := box.Ensure(os.Stderr, box.ForTests...)
	if err != nil {
		t.Fatal(err)
	}
	debs := t.TempDir()
	if out, err := exec.Command("../packaging/build.sh", "0.9.0", debs, "amd64").CombinedOutput(); err != nil {
		t.Fatalf("build the package: %v\n%s", err, out)
	}
	deb, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil || len(deb) != 1 {
		t.Fatalf("packages %v, error %v", deb, err)
	}
	before := traces(t)
	var said bytes.Buffer
	world := box.World{Dir: worldDir(t), Program: self(t), Output: io.MultiWriter(&said, os.Stderr)}
	err = world.Run(context.Background(), "", nil, "./machine.sh", path, deb[0])
	if err != nil {
		t.Error(err)
	}
	if after := traces(t); after != before {
		t.Errorf("the machine has changed:\n%s\nbefore:\n%s", after, before)
	}
	checkSeen(t, said.String())
	checkTests(t, said.String())
}

// worldDir returns an empty directory for the files of the world. It is in the
// cache: temporary directories may be in memory. It has always the same name, so
// that a run that was killed leaves nothing for good.
func worldDir(t *testing.T) string {
	t.Helper()
	cache, err := lab.CacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "vagrant-test")
	lock, err := os.Create(dir + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lock.Close() })
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatalf("another test of the Vagrant machine is running: %v", err)
	}
	empty := func() error { return os.RemoveAll(dir) }
	if err := errors.Join(empty(), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := empty(); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// traces lists what a machine, its daemons, or Vagrant could leave on this
// machine.
func traces(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", `
		find /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt /run/libvirt "$HOME/.vagrant.d" .vagrant 2>/dev/null | sort
		ip -brief link; ip netns; mount | sort; pgrep -a "qemu-system|libvirtd|virtlogd|dnsmasq"; true`).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// checkSeen compares what was seen with what must be seen.
func checkSeen(t *testing.T, said string) {
	t.Helper()
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^(ok|FAILED) (\S+)$`).FindAllStringSubmatch(said, -1) {
		if m[1] == "ok" {
			got = append(got, m[2])
		} else {
			t.Errorf("%s failed", m[2])
		}
	}
	if !slices.Equal(got, seen) {
		t.Errorf("seen: %v, want %v", got, seen)
	}
}

// checkTests prints the table of the kernel tests that ran in the machine. None
// may have failed.
func checkTests(t *testing.T, said string) {
	t.Helper()
	_, said, _ = strings.Cut(said, "\n## up ")
	said, _, _ = strings.Cut(said, "\n## ")
	var events bytes.Buffer
	for _, part := range strings.Split(said, "    default: == ")[1:] {
		name, output, _ := strings.Cut(part, "\n")
		convert := exec.Command("go", "tool", "test2json", "-t", "-p", strings.TrimSpace(name))
		convert.Stdin = strings.NewReader(strings.ReplaceAll(output, "    default: ", ""))
		out, err := convert.Output()
		if err != nil {
			t.Fatal(err)
		}
		events.Write(out)
	}
	results, err := matrix.Read(&events)
	if err != nil {
		t.Fatal(err)
	}
	var rows []matrix.Row
	passed := 0
	for _, r := range results {
		rows = append(rows, matrix.Row{Kernel: "vagrant", Variant: "stock", Result: r})
		passed += r.Passed
		if len(r.Failed) > 0 {
			t.Errorf("%s: failed: %v", r.Package, r.Failed)
		}
	}
	if err := matrix.Print(os.Stdout, rows); err != nil {
		t.Error(err)
	}
	if passed < 50 {
		t.Errorf("only %d kernel tests passed", passed)
	}
}
