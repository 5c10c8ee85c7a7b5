//go:build linux

// Device-mapper devices below those of dmsnapctl.

package main

import (
	"fmt"

	"github.com/anatol/devmapper.go"
	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// slowDevice makes a device over the COW disk on which writes to a few chunks
// are slow, and returns its node. Flushes are not slow, or each commit would
// wait for them too.
func slowDevice(round scene.Round) (string, error) {
	const size = scene.SlowChunks * scene.ChunkBytes
	first := uint64(round.SlowFirst() * scene.ChunkBytes)
	rest := first + size
	return device(scene.Slow,
		devmapper.LinearTable{Length: first, BackendDevice: scene.COWDisk},
		devmapper.DelayTable{
			Start: first, Length: size,
			ReadDevice: scene.COWDisk, ReadOffset: first,
			WriteDevice: scene.COWDisk, WriteOffset: first, WriteDelay: uint64(scene.SlowWrite.Milliseconds()),
			FlushDevice: scene.COWDisk, FlushOffset: first,
		},
		devmapper.LinearTable{Start: rest, Length: scene.COWBytes - rest, BackendDevice: scene.COWDisk, BackendOffset: rest},
	)
}

// device makes a device and returns its node in devtmpfs.
func device(name string, tables ...devmapper.Table) (string, error) {
	if err := devmapper.CreateAndLoad(name, "", 0, tables...); err != nil {
		return "", fmt.Errorf("make the device %s: %w", name, err)
	}
	info, err := devmapper.InfoByName(name)
	if err != nil {
		return "", fmt.Errorf("ask for the device %s: %w", name, err)
	}
	return fmt.Sprintf("/dev/dm-%d", unix.Minor(info.DevNo)), nil
}
