//go:build linux

// Processes that are measured, and what was measured.

package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
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

// timings are wall and CPU time of a process, run after run, and the most
// memory that it took in bytes.
type timings struct {
	wall, cpu series
	peak      int64
}

// run runs a process to its end. Exit code 1 is a warning, no failure.
func (t *timings) run(count bool, name string, args ...string) error {
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
	if count {
		t.wall = append(t.wall, took)
		t.cpu = append(t.cpu, c.ProcessState.UserTime()+c.ProcessState.SystemTime())
		t.peak = max(t.peak, int64(usage.Maxrss)<<10) // Linux counts in KiB
	}
	return nil
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
