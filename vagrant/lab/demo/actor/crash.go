//go:build linux

// The part that ends in a crash.

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

func crash(tool string) error {
	if err := check(tool); err != nil {
		return err
	}
	cow, err := slowDevice()
	if err != nil {
		return err
	}
	if _, err := output(tool, "create", scene.Snapshot, "--origin", scene.OriginDisk, "--cow", cow,
		"--chunk-size", strconv.Itoa(scene.ChunkBytes), "--yes"); err != nil {
		return err
	}
	tell(scene.Create, "%s of %s", scene.Snapshot, scene.OriginDisk)
	return writes()
}

// check tells the kernel's verdict.
func check(tool string) error {
	answer, err := output(tool, "check", "--json")
	var leaky *exec.ExitError
	if err != nil && (!errors.As(err, &leaky) || leaky.ExitCode() != 1) {
		return err
	}
	var verdict struct{ Version, Verdict string }
	if err := json.Unmarshal(answer, &verdict); err != nil {
		return fmt.Errorf("read the answer of check: %w", err)
	}
	tell(scene.Check, "%s %s", verdict.Version, verdict.Verdict)
	return nil
}

// writes writes to the origin and returns only if the slow copies got through
// before the machine was crashed.
func writes() error {
	origin, err := os.OpenFile(scene.Origin, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer origin.Close()
	// A write returns when its chunk is copied and its exception committed.
	for chunk := range scene.Committed {
		if err := write(origin, chunk); err != nil {
			return err
		}
	}
	tell(scene.Commit, "committed")

	slow := make(chan error, scene.Stuck+scene.Late)
	at := scene.Committed
	for range scene.Stuck {
		go func(chunk int) { slow <- write(origin, chunk) }(at)
		at++
	}
	time.Sleep(scene.Headway)
	late := make(chan error, scene.Late)
	for range scene.Late {
		go func(chunk int) { late <- write(origin, chunk) }(at)
		at++
	}
	select {
	case err := <-slow:
		return errors.Join(err, errors.New("a slow copy finished before the others"))
	case <-time.After(scene.Settling):
	}
	tell(scene.Flying, "in flight, %d of their copies slow", scene.Stuck)
	return errors.Join(<-slow, errors.New("the slow copies finished before the crash"))
}

// write writes one chunk of the origin, around the page cache, which wants the
// buffer aligned: mapped memory is.
func write(origin *os.File, chunk int) error {
	data, err := unix.Mmap(-1, 0, scene.ChunkBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("map a buffer: %w", err)
	}
	defer func() { _ = unix.Munmap(data) }() // cannot fail on what Mmap gave
	copy(data, fmt.Sprintf("chunk %d\n", chunk))
	_, err = origin.WriteAt(data, int64(chunk)*scene.ChunkBytes)
	return err
}

// output runs the tool; the error has what it said.
func output(tool string, args ...string) ([]byte, error) {
	var said bytes.Buffer
	cmd := exec.Command(tool, args...)
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("dmsnapctl %s: %w: %s", args[0], err, bytes.TrimSpace(said.Bytes()))
	}
	return out, nil
}
