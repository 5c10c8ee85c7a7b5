//go:build linux && vagrant

package box

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/packages"
)

// The test program is also the first process of the worlds.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Inside {
		status, err := Begin(os.Args[2:])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(status)
	}
	if err := packages.Install(os.Stderr, Tools...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// left is a command line that no other process has; it outlives the command.
const left = "sleep 86399.25"

func runs(t *testing.T) bool {
	t.Helper()
	out, err := exec.Command("ps", "-eo", "args").Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(out), left+"\n")
}

func world(t *testing.T, said *bytes.Buffer) World {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return World{Dir: t.TempDir(), Program: self, Output: said}
}

// A world has libvirt and no network, returns the status of its command, and
// takes with it what the command leaves.
func TestWorldEndsWithItsCommand(t *testing.T) {
	var said bytes.Buffer
	err := world(t, &said).Run(context.Background(), "", nil, "sh", "-c", left+" & virsh -c qemu:///system list && ls /sys/class/net && ps -eo args && exit 7")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 {
		t.Errorf("error %v, want exit status 7", err)
	}
	if !strings.Contains(said.String(), "\nlo\n") || !strings.Contains(said.String(), left) {
		t.Errorf("the world has not only lo, or no process:\n%s", &said)
	}
	if runs(t) {
		t.Error("a process outlives the world")
	}
}

// A cancelled context ends the world with all that runs in it.
func TestWorldEndsWithItsContext(t *testing.T) {
	var said bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- world(t, &said).Run(ctx, "", nil, "sh", "-c", left+" & "+left) }()
	for range 600 {
		if runs(t) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if !runs(t) {
		t.Errorf("the command does not run")
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled world reports success")
	}
	for range 100 {
		if !runs(t) {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Error("a process outlives the world")
}
