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
	leaky, err := check(tool)
	if err != nil {
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
	return writes(tool, leaky)
}

// check tells the kernel's verdict, and returns whether it is leaky.
func check(tool string) (leaky bool, err error) {
	answer, err := output(tool, "check", "--json")
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		return false, err
	}
	var verdict struct{ Version, Verdict string }
	if err := json.Unmarshal(answer, &verdict); err != nil {
		return false, fmt.Errorf("read the answer of check: %w", err)
	}
	tell(scene.Check, "%s %s", verdict.Version, verdict.Verdict)
	return exit != nil, nil
}

// writes writes to the origin and returns only if something went wrong: the
// machine is crashed with the slow copies in flight.
func writes(tool string, leaky bool) error {
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

	slow := writeAtOnce(origin, scene.Committed, scene.Stuck)
	if err := awaitAllocated(tool, scene.Committed+scene.Stuck); err != nil {
		return err
	}
	late := writeAtOnce(origin, scene.Committed+scene.Stuck, scene.Late)
	if err := awaitAllocated(tool, scene.Committed+scene.Stuck+scene.Late); err != nil {
		return err
	}
	if err := awaitLate(leaky, slow, late); err != nil {
		return err
	}
	tell(scene.Flying, "in flight, %d of their copies slow", scene.Stuck)
	return errors.Join(<-slow, errors.New("the slow copies finished before the crash"))
}

// writeAtOnce writes n chunks of the origin from the first on, all at the same
// time; each write's end comes through the channel.
func writeAtOnce(origin *os.File, first, n int) <-chan error {
	ended := make(chan error, n)
	for chunk := first; chunk < first+n; chunk++ {
		go func() { ended <- write(origin, chunk) }()
	}
	return ended
}

// awaitAllocated waits until the kernel has given out chunks for so many
// exceptions: only then is it certain that later ones lie above.
func awaitAllocated(tool string, exceptions int) error {
	want := scene.AllocatedSectors(exceptions)
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		answer, err := output(tool, "status", scene.Snapshot, "--json")
		if err != nil {
			return err
		}
		var status struct {
			Snapshots []struct {
				Allocated int `json:"allocated_sectors"`
			}
		}
		if err := json.Unmarshal(answer, &status); err != nil || len(status.Snapshots) != 1 {
			return fmt.Errorf("read the status %q: %v", answer, err)
		}
		got := status.Snapshots[0].Allocated
		if got >= want {
			return nil
		}
		if time.Since(begin) > scene.Patience {
			return fmt.Errorf("%d sectors are allocated %v after the writes began, expected %d", got, scene.Patience, want)
		}
	}
}

// awaitLate waits for the late copies. A leaky kernel commits an area that
// they fill up past the slow ones, and then lets their writes return; a fixed
// one lets none return.
func awaitLate(leaky bool, slow, late <-chan error) error {
	limit := scene.Settling
	if leaky {
		limit = scene.Patience
	}
	select {
	case err := <-slow:
		return errors.Join(err, errors.New("a slow copy finished before the others"))
	case err := <-late:
		return err
	case <-time.After(limit):
		return nil
	}
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
