package plan

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

func TestIsStopped(t *testing.T) {
	for stat, want := range map[string]bool{
		"12 (dmsnapctl) T 1 12": true,
		"12 (dmsnapctl) t 1 12": true,
		"12 (dmsnapctl) S 1 12": false,
		"12 (dmsnapctl) D 1 12": false,
		"12 (a) T b) S 1 12":    false,
		"12 (a) S b) T 1 12":    true,
		"":                      false,
		"12 (dmsnapctl)":        false,
		"12 (dmsnapctl) ":       false,
	} {
		if got := isStopped([]byte(stat)); got != want {
			t.Errorf("%q: %v, want %v", stat, got, want)
		}
	}
}

func TestRunState(t *testing.T) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	s, err := openRunState(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	become := func(want bool, signal os.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			if s.stopped() == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("after %v: stopped is not %v", signal, want)
	}
	become(true, syscall.SIGSTOP)
	if n := testing.AllocsPerRun(10, func() { s.stopped() }); n > 0 {
		t.Errorf("a look allocates %v times", n)
	}
	become(false, syscall.SIGCONT)
}
