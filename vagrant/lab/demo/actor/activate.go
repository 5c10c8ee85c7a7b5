//go:build linux

// The part after the crash.

package main

import (
	"bytes"
	"fmt"

	"github.com/anatol/devmapper.go"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// activate has the kernel activate the store, and reports its status.
func activate(tool string, _ scene.Round) error {
	if _, err := device(scene.Snapshot, devmapper.SnapshotTable{
		Length:       scene.OriginBytes,
		OriginDevice: scene.OriginDisk,
		COWDevice:    scene.COWDisk,
		Persistent:   true,
		ChunkSize:    scene.ChunkBytes,
	}); err != nil {
		return err
	}
	status, err := output(tool, "status", scene.Snapshot, "--json")
	if err != nil {
		return fmt.Errorf("ask for the status of the store: %w", err)
	}
	tell(scene.StatusLine, "%s", bytes.TrimSpace(status))
	return nil
}
