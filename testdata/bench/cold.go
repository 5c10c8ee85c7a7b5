//go:build linux

// Without the page cache: the judge against fio, which reads the same blocks
// at the same depth.

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// runCold measures the stores in the canonical layout without the page cache.
// It runs last, because it needs what a machine may lack.
func runCold(dir, program string, runs int, only string) error {
	fmt.Printf("\npast the page cache\n")
	if _, err := exec.LookPath("fio"); err != nil {
		return errors.New("-cold compares with fio, which is not here: install the package fio")
	}
	for _, k := range kinds {
		if k.scatter > 0 || k.apart || !strings.Contains(k.name(), only) {
			continue
		}
		s, err := generate(filepath.Join(dir, "store"), k)
		if err != nil {
			return err
		}
		fmt.Printf("\n%s\n", s)
		if err := s.cold(program, runs); err != nil {
			return err
		}
	}
	return nil
}

// cold measures with O_DIRECT, and the whole process with an empty page cache.
func (s *sample) cold(program string, runs int) error {
	f, err := os.OpenFile(s.path, os.O_RDONLY|unix.O_DIRECT, 0)
	if err != nil {
		return fmt.Errorf("the file system under %s has no O_DIRECT: %w", s.path, err)
	}
	defer f.Close()
	direct := directFile{f}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0)) // for the measurements after this one
	options := verify.Options{}
	var judging, fio series
	var process timings
	for i := range runs + 1 {
		start := time.Now()
		r, err := verify.Verify(context.Background(), direct, int64(s.size), options)
		if err != nil {
			return err
		}
		if r.Verdict != verify.Clean || r.Usage.Exceptions != s.exceptions {
			return fmt.Errorf("%s: verdict %s with %d exceptions", s.path, r.Verdict, r.Usage.Exceptions)
		}
		took := time.Since(start)
		read, err := s.fio()
		if err != nil {
			return err
		}
		if err := s.forget(); err != nil {
			return err
		}
		if err := process.run(i > 0, program, s.verify()...); err != nil {
			return err
		}
		if i > 0 {
			judging, fio = append(judging, took), append(fio, read)
		}
	}
	base := fio.median()
	fmt.Printf("    fio, the same blocks, O_DIRECT, depth %d %8.1f ms\n", store.Depth, ms(base))
	fmt.Printf("    verification, O_DIRECT                  %8.1f ms   ratio %.2f\n", ms(judging.median()), ratio(judging.median(), base))
	fmt.Printf("    dmsnapctl verify, an empty page cache   %8.1f ms   ratio %.2f\n", ms(process.wall.median()), ratio(process.wall.median(), base))
	return nil
}

// directFile reads past the page cache. A read that is smaller than a block
// (the header) reads the whole block.
type directFile struct{ *os.File }

func (f directFile) ReadAt(p []byte, off int64) (int, error) {
	if len(p)%chunkBytes == 0 {
		return f.File.ReadAt(p, off)
	}
	block := blockdev.AlignedBuffer(chunkBytes)
	n, err := f.File.ReadAt(block, off)
	return copy(p, block[:n]), err
}

// forget makes the kernel drop the file's pages.
func (s *sample) forget() error {
	f, err := os.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}

// fio reads the areas in order, a number of them at once, and returns how long
// that took without fio's own start and end.
func (s *sample) fio() (time.Duration, error) {
	stride := (s.geometry.ExceptionsPerArea() + 1) * chunkBytes
	out, err := exec.Command("fio", "--name=areas", "--filename="+s.path, "--readonly", "--output-format=json",
		"--rw=read", "--direct=1", "--ioengine=libaio", "--iodepth="+strconv.Itoa(store.Depth), "--bs=4k",
		"--offset="+strconv.Itoa(chunkBytes), "--zonemode=strided", "--zonesize=4k", "--zonerange="+strconv.FormatUint(stride, 10),
		"--io_size="+strconv.FormatUint(s.areas*chunkBytes, 10)).Output()
	if err != nil {
		return 0, fmt.Errorf("fio: %w", err)
	}
	var result struct {
		Jobs []struct {
			Read struct {
				TotalIOs uint64  `json:"total_ios"`
				IOPS     float64 `json:"iops"`
			} `json:"read"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		return 0, fmt.Errorf("fio's result: %w", err)
	}
	if len(result.Jobs) != 1 || result.Jobs[0].Read.TotalIOs != s.areas {
		return 0, fmt.Errorf("fio read something else than %d areas: %s", s.areas, out)
	}
	read := result.Jobs[0].Read
	return time.Duration(float64(read.TotalIOs) / read.IOPS * float64(time.Second)), nil
}
