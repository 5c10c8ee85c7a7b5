package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkStart measures the cost of starting the program, in CPU time and
// page faults of whole processes. It compares with a program that does
// nothing, built the same way. The two run alternately, so that the load of
// the machine affects both. Most of the time goes into page faults, whose
// number does not depend on the load.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	empty, program := filepath.Join(dir, "empty"), filepath.Join(dir, "dmsnapctl")
	source := empty + ".go"
	if err := os.WriteFile(source, []byte("package main\n\nfunc main() {}\n"), 0o666); err != nil {
		b.Fatal(err)
	}
	build(b, empty, source)
	build(b, program, ".")
	var idle, busy cost
	for b.Loop() {
		idle.run(b, empty)
		busy.run(b, program, "check", "--target-version", "1.16.0")
	}
	n := float64(b.N)
	b.ReportMetric(float64(idle.cpu.Microseconds())/n/1000, "empty-ms")
	b.ReportMetric(float64(busy.cpu.Microseconds())/n/1000, "cpu-ms")
	b.ReportMetric(float64(busy.cpu)/float64(idle.cpu), "ratio")
	b.ReportMetric(float64(idle.faults)/n, "empty-faults")
	b.ReportMetric(float64(busy.faults)/n, "faults")
}

// cost is what processes used.
type cost struct {
	cpu    time.Duration
	faults int64 // of pages, without I/O
}

func build(b *testing.B, out, from string) {
	b.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-tags", "urfave_cli_no_docs", "-o", out, from)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, said)
	}
}

func (c *cost) run(b *testing.B, program string, args ...string) {
	b.Helper()
	cmd := exec.Command(program, args...)
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	c.cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	c.faults += int64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Minflt)
}
