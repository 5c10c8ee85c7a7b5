//go:build linux

// The processors that the kernel did not start by itself.

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// startCPUs starts all processors that are not running. A kernel that has no
// switch for them has them all.
func startCPUs() error {
	switches, err := filepath.Glob("/sys/devices/system/cpu/cpu[0-9]*/online")
	if err != nil {
		return err
	}
	for _, path := range switches {
		state, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("start a processor: %w", err)
		}
		if strings.TrimSpace(string(state)) == "1" {
			continue
		}
		if err := os.WriteFile(path, []byte("1"), 0); err != nil {
			return fmt.Errorf("start a processor: %w", err)
		}
	}
	return nil
}
