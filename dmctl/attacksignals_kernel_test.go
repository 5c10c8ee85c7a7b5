//go:build linux && kernel

package dmctl

// All ways to end or stop a run from outside, before every step of every plan.
// SIGKILL alone is in TestKilledAtEveryStep.

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/soak"
)

// attack is what a run does to itself, as if from outside.
type attack struct {
	name    string
	heard   bool // signals end its context, as they do the program's
	strikes func()
	dies    bool // it is killed by that
	stops   bool // it is stopped, and continues later
	lost    bool // the guardian is killed as well: an origin may stay suspended until recover
}

func sendSelf(s syscall.Signal) func() {
	return func() { _ = syscall.Kill(os.Getpid(), s) }
}

func attacks() []attack {
	killGuardian := func() {
		for _, pid := range guardiansOf(os.Getpid()) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return []attack{
		{name: "SIGTERM", heard: true, strikes: sendSelf(syscall.SIGTERM)},
		{name: "SIGHUP", heard: true, strikes: sendSelf(syscall.SIGHUP)},
		{name: "SIGINT", heard: true, strikes: sendSelf(syscall.SIGINT)},
		{name: "SIGTERM that nobody hears", dies: true, strikes: sendSelf(syscall.SIGTERM)},
		{name: "SIGHUP that nobody hears", dies: true, strikes: sendSelf(syscall.SIGHUP)},
		{name: "SIGINT that nobody hears", dies: true, strikes: sendSelf(syscall.SIGINT)},
		{name: "SIGTSTP", stops: true, strikes: func() {
			sendSelf(syscall.SIGTSTP)()
			time.Sleep(50 * time.Millisecond) // for all threads to stop, unless it is held back
		}},
		{name: "SIGKILL of the guardian", strikes: killGuardian},
		{name: "SIGKILL of both", dies: true, lost: true, strikes: func() {
			killGuardian()
			sendSelf(syscall.SIGKILL)()
		}},
		{name: "out-of-memory kill", dies: true, strikes: func() {
			// Of all processes, the kernel chooses this one.
			_ = os.WriteFile("/proc/self/oom_score_adj", []byte("1000"), 0)
			_ = os.WriteFile("/proc/sysrq-trigger", []byte("f"), 0)
		}},
	}
}

// attackNamed is SIGKILL if no attack is named.
func attackNamed(name string) attack {
	for _, a := range attacks() {
		if a.name == name {
			return a
		}
	}
	return attack{dies: true, strikes: sendSelf(syscall.SIGKILL)}
}

// context is the context of the run.
func (a attack) context() context.Context {
	if !a.heard {
		return context.Background()
	}
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	return ctx
}

func (a attack) strike(ctx context.Context) {
	a.strikes()
	switch {
	case a.dies:
		select {} // until it arrives
	case a.heard:
		<-ctx.Done()
	}
}

// guardiansOf returns the guardians that a process has started.
func guardiansOf(parent int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		// The name in parentheses may contain anything.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 2 || fields[1] != strconv.Itoa(parent) || fields[0] == "Z" {
			continue
		}
		line, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		if pid, bad := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil && bad == nil && bytes.Contains(line, []byte("guard-suspended-devices")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// processState is the letter that the kernel gives, or 0 for none.
func processState(pid int) byte {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	at := bytes.LastIndexByte(text, ')')
	if err != nil || at+2 >= len(text) {
		return 0
	}
	return text[at+2]
}

// ended is how a child ended.
type ended struct {
	steps  int
	code   int // -1 for a signal
	signal syscall.Signal
	said   string
}

// attacked runs a request under an attack.
func attacked(t *testing.T, c *Controller, r request, a attack, at int, when string) ended {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := child(t, r, at)
	cmd.Env = append(cmd.Env, envAttack+"="+a.name)
	cmd.Stdout, cmd.Stderr = &out, &errs
	// A separate group: what a terminal sends to an orphaned one has no
	// effect.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := a.stops && at != dieNever && whileStopped(t, c, cmd, when)
	err := cmd.Wait()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatalf("%s: %v", when, err)
	}
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	e := ended{code: status.ExitStatus(), signal: status.Signal(), said: errs.String()}
	_, _ = fmt.Sscan(out.String(), &e.steps)
	if paused := strings.Contains(e.said, inThePause); a.stops && at != dieNever && stopped == paused {
		t.Errorf("%s: in the pause: %v, and it was stopped: %v", when, paused, stopped)
	}
	return e
}

// whileStopped waits until a child is stopped, checks that it blocks nothing,
// and lets it continue. It returns false if the child was not stopped.
func whileStopped(t *testing.T, c *Controller, cmd *exec.Cmd, when string) bool {
	t.Helper()
	pid := cmd.Process.Pid
	for processState(pid) != 'T' {
		if s := processState(pid); s == 'Z' || s == 0 {
			return false
		}
		time.Sleep(10 * time.Millisecond)
	}
	noneSuspended(t, c, when+", stopped")
	if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	return true
}

func TestAttackSignals(t *testing.T) {
	t.Setenv("PATH", "") // no blkid: it is asked before the first step
	c, disks := scratch(t)
	tried, every := 0, soak.Every(t)
	soak.Report(t, "signals at each step", func() int { return tried })
	some := rand.New(rand.NewPCG(20261125, 12)) // the same tenth each time
	for _, d := range deathScenarios(disks) {
		t.Run(d.name, func(t *testing.T) {
			d.prepare(t, c, disks)
			before := state(t, c)
			whole := attacked(t, c, d.do, attack{}, dieNever, d.name)
			if whole.code != 0 || whole.steps < 2 {
				t.Fatalf("%+v", whole)
			}
			after := state(t, c)
			for at := 1; at <= whole.steps; at++ {
				for _, a := range attacks() {
					if some.IntN(every) != 0 {
						continue
					}
					tried++
					d.prepare(t, c, disks)
					when := fmt.Sprintf("%s before step %d", a.name, at)
					a.judge(t, c, attacked(t, c, d.do, a, at, when), when, before, after)
				}
			}
		})
	}
}

// judge checks the state after an attack.
func (a attack) judge(t *testing.T, c *Controller, e ended, when, before, after string) {
	t.Helper()
	if a.dies != (e.code == -1) {
		t.Errorf("%s: ended with %d, signal %v: %s", when, e.code, e.signal, e.said)
	}
	if !a.lost {
		noneSuspended(t, c, when)
	}
	if !a.dies && e.code == 0 { // it is done, and must say so
		if got := state(t, c); got != after {
			t.Errorf("%s: not done: %s", when, cmp.Diff(after, got))
		}
	}
	if err := c.Recover(context.Background()); err != nil {
		t.Errorf("%s: recover: %v", when, err)
	}
	if got := state(t, c); !slices.Contains([]string{before, after}, got) {
		t.Errorf("%s: after recover neither before nor after; not before: %s not after: %s", when, cmp.Diff(before, got), cmp.Diff(after, got))
	}
}
