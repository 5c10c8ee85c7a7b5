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

// timings of one kind of work.
type timings struct {
	took []time.Duration
}

func (t *timings) add(d time.Duration) { t.took = append(t.took, d) }

func (t *timings) median() time.Duration {
	slices.Sort(t.took)
	return t.took[len(t.took)/2]
}

func (t *timings) best() time.Duration { return slices.Min(t.took) }

// process runs the program on the store, and tells its peak memory in bytes.
func (s *sample) process(program string) (peak int64, err error) {
	c := exec.Command(program, "verify", "--quiet", s.path)
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("%s: %w", c, err)
	}
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, fmt.Errorf("%s: its memory is not known", c)
	}
	return int64(usage.Maxrss) << 10, nil // Linux counts in KiB
}

func command(name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	if err := c.Run(); err != nil {
		return fmt.Errorf("%s: %w", c, err)
	}
	return nil
}
