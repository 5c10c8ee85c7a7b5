package host

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// If no node can be made, a name is not free: the device could not be reached.
// Nobody can make nodes in /proc.
func TestNodesThatCannotBeMade(t *testing.T) {
	name, err := devices.ParseName("d")
	if err != nil {
		t.Fatal(err)
	}
	h := &Linux{nodes: "/proc"}
	if err := h.NodesFree(name); !errors.Is(err, devices.ErrRefused) {
		t.Errorf("%v, want ErrRefused", err)
	}
}

// Without blkid, only the common signatures are found, and the result says so.
// With it, those of blkid are found too.
func TestSignaturesWithoutBlkid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "disk")
	content := make([]byte, 1<<20)
	copy(content[1024+0x38:], []byte{0x53, 0xef}) // ext2 and its successors
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := blockdev.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d := &disk{File: f, name: path}

	t.Setenv("PATH", t.TempDir())
	kinds, common, err := d.Signatures()
	if err != nil || !common || len(kinds) != 1 {
		t.Errorf("without blkid: %q, common %v, %v", kinds, common, err)
	}
	programs := t.TempDir()
	if err := os.WriteFile(filepath.Join(programs, "blkid"), []byte("#!/bin/sh\necho TYPE=rare\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", programs)
	kinds, common, err = d.Signatures()
	if err != nil || common || len(kinds) != 2 || !slices.Contains(kinds, "rare") {
		t.Errorf("with blkid: %q, common %v, %v", kinds, common, err)
	}
}
