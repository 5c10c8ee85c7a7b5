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

func crash(tool string, round scene.Round) error {
	leaky, err := check(tool)
	if err != nil {
		return err
	}
	cow, err := slowDevice(round)
	if err != nil {
		return err
	}
	command := []string{"create", scene.Snapshot, "--chunk-size", strconv.Itoa(scene.ChunkBytes)}
	if round.Store != scene.Fresh {
		command = []string{"activate", scene.Snapshot}
	}
	if _, err := output(tool, append(command, "--origin", scene.OriginDisk, "--cow", cow, "--yes")...); err != nil {
		return err
	}
	tell(scene.Create, "%s of %s", scene.Snapshot, scene.OriginDisk)
	return writes(tool, leaky, round)
}

// check reports the kernel's verdict, and returns whether it is leaky.
func check(tool string) (leaky bool, err error) {
	answer, err := output(tool, "check", "--json")
	if err != nil && !warns(err) {
		return false, err
	}
	var verdict struct{ Version, Verdict string }
	if err := json.Unmarshal(answer, &verdict); err != nil {
		return false, fmt.Errorf("read the answer of check: %w", err)
	}
	tell(scene.Check, "%s %s", verdict.Version, verdict.Verdict)
	return err != nil, nil
}

// warns reports whether the tool ended with the exit code for a warning, which
// means a leaky kernel or a full store.
func warns(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 1
}

// writes writes to the origin. It returns only if something went wrong: the
// machine is crashed while the slow copies are in flight.
func writes(tool string, leaky bool, round scene.Round) error {
	origin, err := os.OpenFile(scene.Origin, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer origin.Close()
	// A write returns when its chunk is copied and its exception committed.
	for i := range scene.Committed {
		if err := write(origin, round.Origin+i); err != nil {
			return err
		}
	}
	tell(scene.Commit, "committed")

	slow := writeAtOnce(origin, round.Origin+scene.Committed, scene.Stuck)
	if err := awaitAllocated(tool, round.AllocatedSectors(scene.Committed+scene.Stuck)); err != nil {
		return err
	}
	late := writeAtOnce(origin, round.Origin+scene.Committed+scene.Stuck, scene.Late)
	if err := awaitAllocated(tool, round.AllocatedSectors(scene.Committed+scene.Stuck+scene.Late)); err != nil {
		return err
	}
	if err := awaitLate(leaky, slow, late); err != nil {
		return err
	}
	tell(scene.Flying, "in flight, %d of their copies slow", scene.Stuck)
	return errors.Join(<-slow, errors.New("the slow copies finished before the crash"))
}

// writeAtOnce writes n chunks of the origin, beginning at first, all at the
// same time. The end of each write is sent on the channel.
func writeAtOnce(origin *os.File, first, n int) <-chan error {
	ended := make(chan error, n)
	for chunk := first; chunk < first+n; chunk++ {
		go func() { ended <- write(origin, chunk) }()
	}
	return ended
}

// awaitAllocated waits until the kernel has allocated this many sectors of the
// store. Only then are later copies certain to lie above.
func awaitAllocated(tool string, want int) error {
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		got, _, err := allocated(tool)
		if err != nil || got >= want {
			return err
		}
		if time.Since(begin) > scene.Patience {
			return fmt.Errorf("%d sectors are allocated %v after the writes began, expected %d", got, scene.Patience, want)
		}
	}
}

// allocated returns how many sectors of the store the kernel has allocated, and
// how many it has in total. For a lost snapshot it returns an error.
func allocated(tool string) (used, total int, err error) {
	answer, err := output(tool, "status", scene.Snapshot, "--json")
	if err != nil && !warns(err) {
		return 0, 0, err
	}
	var status struct {
		Snapshots []struct {
			Used  int `json:"allocated_sectors"`
			Total int `json:"total_sectors"`
		}
	}
	if err := json.Unmarshal(answer, &status); err != nil || len(status.Snapshots) != 1 {
		return 0, 0, fmt.Errorf("read the status %q: %v", answer, err)
	}
	s := status.Snapshots[0]
	return s.Used, s.Total, nil
}

// awaitLate waits for the late copies. A leaky kernel commits the area that
// they fill, past the slow ones, and their writes return. On a fixed kernel
// none returns.
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

// write writes one chunk of the origin and bypasses the page cache. That needs
// an aligned buffer, which mapped memory is.
func write(origin *os.File, chunk int) error {
	data, err := unix.Mmap(-1, 0, scene.ChunkBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("map a buffer: %w", err)
	}
	defer func() { _ = unix.Munmap(data) }() // cannot fail on the result of Mmap
	copy(data, fmt.Sprintf("chunk %d\n", chunk))
	_, err = origin.WriteAt(data, int64(chunk)*scene.ChunkBytes)
	return err
}

// output runs the tool. The error has its messages.
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
