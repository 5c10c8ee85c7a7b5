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
	// A busy host can take long to start the streams: the time until the crash
	// is counted from the end of their first writes.
	started, ended := make(chan struct{}, scene.Streams), make(chan error, scene.Streams)
	for i := range scene.Streams {
		go func() { ended <- writePart(f, i, started) }()
	}
	for waiting, writing := scene.Streams, scene.Streams; waiting > 0 || writing > 0; {
		select {
		case <-started:
			if waiting--; waiting == 0 {
				tell(scene.Streaming, "started")
			}
		case err := <-ended:
			if err != nil {
				return err
			}
			writing--
		}
	}
	time.Sleep(scene.Patience) // the host judges whether this was too early
	return errors.New("the machine was not crashed")
}

// writePart writes one stream's part of the origin, and reports the end of its
// first write. The buffer is mapped memory, which is aligned.
func writePart(origin *os.File, stream int, started chan<- struct{}) error {
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
		if at == 0 {
			started <- struct{}{}
		}
	}
	return nil
}
