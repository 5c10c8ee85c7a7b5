package main

import (
	"context"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestActivateExits: a store that is damaged or was invalidated is critical
// with and without --repair. A store that needs --repair is not activated
// without it.
func TestActivateExits(t *testing.T) {
	list := []cow.Exception{{Old: 0, New: 2}, {Old: 5, New: 3}}
	twice := []cow.Exception{{Old: 5, New: 2}, {Old: 5, New: 3}} // nothing shows which is right
	invalid := cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 64}.Bytes()
	invalidate(invalid)
	stale := cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 64}.Bytes()
	copy(stale[toolChunk+3*cow.ExceptionSize:], cow.Exception{Old: 9, New: 4}.AppendTo(nil))
	for _, tt := range []struct {
		name             string
		store            []byte
		plain, repairing int
	}{
		{"whole", cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 64}.Bytes(), exitFine, exitFine},
		{"damaged", cowtest.Store{Chunk: 8, Exceptions: twice, DeviceChunks: 64}.Bytes(), exitCritical, exitCritical},
		{"invalid", invalid, exitCritical, exitCritical},
		{"stale", stale, exitUnknown, exitFine},
	} {
		for flags, want := range map[string]int{"": tt.plain, "--repair": tt.repairing, "--force": exitFine} {
			m := dmtest.New()
			onMachine(t, m)
			m.Disks["/dev/b"].Data = tt.store
			args := strings.Fields("activate s --origin /dev/a --cow /dev/b --dry-run " + flags)
			if _, stderr, code := commanded(context.Background(), args...); code != want {
				t.Errorf("%s %s: exit code %d, want %d: %s", tt.name, flags, code, want, stderr)
			}
		}
	}
}
