//go:build linux && kernel

package main

// The speed of clones, against what people write by hand: truncate, losetup and
// dmsetup for each, or a copy of the whole image.

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	cloneImageMiB = 1024
	manyClones    = 100
)

// cloneWay is one way to make and remove many clones of base in dir. Each
// command is one process.
type cloneWay struct {
	name         string
	make, remove func(program, dir string) [][]string
}

// eachOf returns a command for each clone.
func eachOf(command func(n int) []string) (out [][]string) {
	for n := range manyClones {
		out = append(out, command(n))
	}
	return out
}

// allOf appends the names of all clones to a command.
func allOf(command ...string) [][]string {
	for n := range manyClones {
		command = append(command, fmt.Sprintf("c%d", n))
	}
	return [][]string{command}
}

var cloneWays = []cloneWay{
	{
		"script",
		func(_, dir string) [][]string {
			return eachOf(func(n int) []string {
				return []string{"/bin/sh", "-ec", fmt.Sprintf(`cd %s; truncate -s %dM c%[3]d.cow
l=$(losetup -f --show c%[3]d.cow)
dmsetup create --noudevsync c%[3]d --table "0 %[4]d snapshot $(cat base.loop) $l P 8"`, dir, cloneImageMiB*11/10, n, cloneImageMiB*2048)}
			})
		},
		func(_, dir string) [][]string {
			return eachOf(func(n int) []string {
				return []string{"/bin/sh", "-ec", fmt.Sprintf(`cd %s; l=$(losetup -j c%[2]d.cow | cut -d: -f1)
dmsetup remove --noudevsync c%[2]d; losetup -d $l; rm c%[2]d.cow`, dir, n)}
			})
		},
	},
	{
		"one a call",
		func(program, dir string) [][]string {
			return eachOf(func(n int) []string {
				return []string{program, "clone", fmt.Sprintf("c%d", n), "--base", dir + "/base", "--store-dir", dir, "--yes"}
			})
		},
		func(program, _ string) [][]string {
			return eachOf(func(n int) []string {
				return []string{program, "remove", fmt.Sprintf("c%d", n), "--delete-store", "--yes"}
			})
		},
	},
	{
		"all in one call",
		func(program, dir string) [][]string {
			return allOf(program, "clone", "--base", dir+"/base", "--store-dir", dir, "--yes")
		},
		func(program, _ string) [][]string { return allOf(program, "remove", "--delete-store", "--yes") },
	},
}

func BenchmarkClone(b *testing.B) {
	dir := b.TempDir()
	program := programPath(b)
	const prepare = `cd %s; truncate -s %dM base; mkfs.ext4 -q -F base; losetup -r -f --show base >base.loop`
	timed(b, []string{"/bin/sh", "-ec", fmt.Sprintf(prepare, dir, cloneImageMiB)})
	b.Run("copy of the image", func(b *testing.B) {
		for b.Loop() {
			wall, _ := timed(b, []string{"cp", "--sparse=always", dir + "/base", dir + "/copy"})
			b.ReportMetric(ms(wall), "ms/copy")
		}
	})
	for _, w := range cloneWays {
		b.Run(strings.ReplaceAll(w.name, " ", "-"), func(b *testing.B) {
			for b.Loop() {
				before := kernelMemory(b)
				cpu := report(b, "clone", w.make(program, dir))
				b.ReportMetric(ms(cpu)/manyClones, "cpu-ms/clone")
				b.ReportMetric(float64(kernelMemory(b)-before)/manyClones, "kernel-KiB/clone")
				report(b, "removal", w.remove(program, dir))
			}
		})
	}
	timed(b, []string{"/bin/sh", "-ec", "losetup -d $(cat " + dir + "/base.loop)"})
}

// report runs commands and reports the time of each, and of the last against the
// tenth if there are so many. It returns the CPU time of all.
func report(b *testing.B, what string, commands [][]string) (cpu time.Duration) {
	var walls []time.Duration
	all := time.Duration(0)
	for _, c := range commands {
		wall, used := timed(b, c)
		walls, all, cpu = append(walls, wall), all+wall, cpu+used
	}
	b.ReportMetric(ms(all)/manyClones, "ms/"+what)
	if len(walls) >= 20 {
		b.ReportMetric(float64(sum(walls[len(walls)-10:]))/float64(sum(walls[5:15])), "last/tenth-"+what)
	}
	return cpu
}

func sum(all []time.Duration) (total time.Duration) {
	for _, d := range all {
		total += d
	}
	return total
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// timed runs a process and returns its time, and the CPU time of it and its
// children.
func timed(b *testing.B, command []string) (wall, cpu time.Duration) {
	b.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	start := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%.200q: %v: %s", command, err, out)
	}
	wall = time.Since(start)
	usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return wall, time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// kernelMemory is what the kernel has taken for itself, in KiB.
func kernelMemory(b *testing.B) (total int64) {
	b.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var kib int64
		for _, field := range []string{"SUnreclaim:", "KernelStack:", "PageTables:", "Percpu:", "VmallocUsed:"} {
			if n, _ := fmt.Sscanf(line, field+"%d", &kib); n == 1 {
				total += kib
			}
		}
	}
	return total
}
