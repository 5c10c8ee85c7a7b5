package main

import (
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

func TestProgressLine(t *testing.T) {
	tests := []struct {
		now  verify.Progress
		took time.Duration
		want string
	}{
		{verify.Progress{Areas: 1000, ChunkBytes: 4096, Pass: 1}, time.Second, "dmsnapctl: verify store: area 0 of at most 1000"},
		{verify.Progress{Area: 500, Areas: 1000, ChunkBytes: 4096, Pass: 1}, 2 * time.Second,
			"dmsnapctl: verify store: area 500 of at most 1000, 1000 KiB/s of metadata, at most 2s left"},
		{verify.Progress{Area: 256, Areas: 257, ChunkBytes: 4096, Pass: 3}, time.Second,
			"dmsnapctl: verify store: area 256 of at most 257, pass 3, 1 MiB/s of metadata, at most 0s left"},
	}
	for _, tt := range tests {
		p := &progress{path: "store"}
		p.update(tt.now)
		if got := p.line(tt.took); got != tt.want {
			t.Errorf("%+v after %v: %q, want %q", tt.now, tt.took, got, tt.want)
		}
	}
}

func TestLVMStorePath(t *testing.T) {
	for name, want := range map[string]string{
		"vg/snap": "/dev/mapper/vg-snap-cow", "my-vg/my-snap": "/dev/mapper/my--vg-my--snap-cow",
		"vg": "", "/snap": "", "vg/": "", "a/b/c": "", "": "",
	} {
		got, err := lvmStorePath(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q is the store %q, %v; want %q", name, got, err, want)
		}
	}
}
