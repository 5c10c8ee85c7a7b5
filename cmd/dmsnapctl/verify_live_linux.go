package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// devicesAbove returns the store's own device and all that are built on it, or
// nothing if none are. A file's own device is the loop device over it.
func devicesAbove(store *blockdev.File) ([]layer, error) {
	var system blockdev.System
	own, ok := store.DevNo(), store.IsBlockDevice()
	if !ok {
		own, ok = loopOver(system, store.Path())
	}
	if !ok {
		return nil, nil
	}
	seen := map[blockdev.DevNo]bool{own: true}
	layers := []layer{{own, system.NodePath(own)}}
	for i := 0; i < len(layers); i++ {
		holders, err := system.Holders(layers[i].dev)
		if err != nil {
			return nil, err
		}
		for _, h := range holders {
			if !seen[h.Dev] {
				seen[h.Dev] = true
				layers = append(layers, layer{h.Dev, system.NodePath(h.Dev)})
			}
		}
	}
	if len(layers) == 1 {
		return nil, nil
	}
	return layers, nil
}

// isMapped reports whether the store is a mapped device.
func isMapped(store *blockdev.File) bool {
	return store.IsBlockDevice() && store.DevNo().Major == blockdev.System{}.MappedMajor()
}

// loopOver is the loop device over a file.
func loopOver(system blockdev.System, path string) (blockdev.DevNo, bool) {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return blockdev.DevNo{}, false
	}
	loops, _ := filepath.Glob("/sys/block/loop*/dev")
	for _, l := range loops {
		text, err := os.ReadFile(l)
		if err != nil {
			continue
		}
		dev, err := blockdev.ParseDevNo(strings.TrimSpace(string(text)))
		if err == nil && system.LoopFile(dev) == path {
			return dev, true
		}
	}
	return blockdev.DevNo{}, false
}
