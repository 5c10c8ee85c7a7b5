//go:build linux

// The part that uses a store that has room again.

package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// fill activates the store and writes to the origin, chunk by chunk from the
// start of the round, until no sector of the store is free. It reports how many
// chunks were written, and what the snapshot shows then.
func fill(tool string, round scene.Round) error {
	if _, err := output(tool, "activate", scene.Snapshot, "--origin", scene.OriginDisk, "--cow", scene.COWDisk, "--yes"); err != nil {
		return err
	}
	origin, err := os.OpenFile(scene.Origin, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer origin.Close()
	n := 0
	for ; ; n++ {
		used, total, err := allocated(tool)
		if err != nil {
			return err
		}
		if used == total {
			break
		}
		if err := write(origin, round.Origin+n); err != nil {
			return err
		}
	}
	tell(scene.Filled, "%d", n)
	snapshot, err := os.Open("/dev/mapper/" + scene.Snapshot)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, snapshot); err != nil {
		return fmt.Errorf("read the snapshot: %w", err)
	}
	tell(scene.Shown, "%x", sum.Sum(nil))
	return nil
}
