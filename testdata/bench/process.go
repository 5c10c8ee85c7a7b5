//go:build linux

// Processes that are measured, and what was measured.

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// series is the times of one kind of work.
type series []time.Duration

func (s series) median() time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[len(sorted)/2]
}

func (s series) best() time.Duration { return slices.Min(s) }

// timings are the wall and CPU times of a process, run by run, and the most
// memory that it used, in bytes.
type timings struct {
	wall, cpu series
	peak      int64
}

// run runs a process to its end.
func (t *timings) run(count bool, name string, args ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, append([]string{"-measure", name}, args...)...)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	var m measured
	if err := json.Unmarshal(out, &m); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	if count {
		t.wall = append(t.wall, m.Wall)
		t.cpu = append(t.cpu, m.CPU)
		t.peak = max(t.peak, m.Peak)
	}
	return nil
}

// measured is what one process used.
type measured struct {
	Wall, CPU time.Duration
	Peak      int64 // bytes of memory
}

// measure runs a process to its end and writes what it used. Exit code 1 is a
// warning, not a failure.
//
// It is a separate process: the kernel also counts the memory that a process
// had before its exec, when it was still a copy of its parent, and the bench
// itself is large.
func measure(name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Stderr = os.Stderr
	start := time.Now()
	if err := c.Run(); err != nil && c.ProcessState.ExitCode() != 1 {
		return fmt.Errorf("%s: %w", c, err)
	}
	took := time.Since(start)
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return fmt.Errorf("%s: its memory is not known", c)
	}
	return json.NewEncoder(os.Stdout).Encode(measured{
		Wall: took,
		CPU:  c.ProcessState.UserTime() + c.ProcessState.SystemTime(),
		Peak: int64(usage.Maxrss) << 10, // Linux counts in KiB
	})
}

func command(name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}

// build makes the program as the Makefile does.
func build(program string) error {
	if err := os.Setenv("CGO_ENABLED", "0"); err != nil {
		return err
	}
	return command("go", "build", "-trimpath", "-tags", "urfave_cli_no_docs", "-o", program, "./cmd/dmsnapctl")
}

func ms(d time.Duration) float64       { return float64(d) / float64(time.Millisecond) }
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
