//go:build linux

// The part without a slow device: several streams of writes.

package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// stream makes a snapshot of the disk origin on the disk cow, and writes to the
// origin in several streams. It returns only if something went wrong: the
// machine is crashed meanwhile.
func stream(tool, origin, cow string) error {
	if _, err := check(tool); err != nil {
		return err
	}
	if _, err := output(tool, "create", scene.Snapshot, "--chunk-size", strconv.Itoa(scene.ChunkBytes),
		"--origin", origin, "--cow", cow, "--yes"); err != nil {
		return err
	}
	tell(scene.Create, "%s of %s", scene.Snapshot, origin)
	f, err := os.OpenFile(scene.Origin, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	ended := make(chan error, scene.Streams)
	for i := range scene.Streams {
		go func() { ended <- writePart(f, i) }()
	}
	tell(scene.Streaming, "started")
	for range scene.Streams {
		if err := <-ended; err != nil {
			return err
		}
	}
	time.Sleep(scene.Patience) // the host judges whether this was too early
	return errors.New("the machine was not crashed")
}

// writePart writes one stream's part of the origin. The buffer is mapped memory,
// which is aligned.
func writePart(origin *os.File, stream int) error {
	data, err := unix.Mmap(-1, 0, scene.StreamWrite, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return fmt.Errorf("map a buffer: %w", err)
	}
	defer func() { _ = unix.Munmap(data) }() // cannot fail on the result of Mmap
	for i := range data {
		data[i] = byte(stream + 1)
	}
	const part = scene.StreamsOriginBytes / scene.Streams
	for at := 0; at < part; at += len(data) {
		if _, err := origin.WriteAt(data, int64(stream*part+at)); err != nil {
			return err
		}
	}
	return nil
}
