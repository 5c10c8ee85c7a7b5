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
		{verify.Progress{Area: 500, Areas: 1000, ChunkBytes: 4096, Pass: 1, More: true}, 2 * time.Second,
			"dmsnapctl: verify store: area 500 of at most 1000, 1000 KiB/s of metadata, at most 2s left in this pass, another follows"},
		{verify.Progress{Area: 1, Areas: 1 << 48, ChunkBytes: 4096, Pass: 1}, time.Hour,
			"dmsnapctl: verify store: area 1 of at most 281474976710656, 1 byte/s of metadata, at most 11728124029611 days left"},
		{verify.Progress{Area: 256, Areas: 512, ChunkBytes: 4096, Pass: 3}, time.Second,
			"dmsnapctl: verify store: area 256 of 512, pass 3, 1 MiB/s of metadata, 1s left"},
	}
	for _, tt := range tests {
		p := &progress{path: "store"}
		p.update(tt.now)
		if got := p.line(p.since.Add(tt.took)); got != tt.want {
			t.Errorf("%+v after %v: %q, want %q", tt.now, tt.took, got, tt.want)
		}
	}
}

// TestProgressOfEachPass: the time of one pass does not count for the next,
// and neither does the time of an earlier reading of an active store.
func TestProgressOfEachPass(t *testing.T) {
	for _, next := range []verify.Progress{{Pass: 2, Area: 100, Areas: 200}, {Pass: 1, Area: 1, Areas: 200}} {
		p := &progress{path: "store"}
		p.update(verify.Progress{Pass: 1, Area: 100, Areas: 10000})
		p.since = p.since.Add(-time.Hour)
		p.update(next)
		if took := time.Since(p.since); took > time.Minute {
			t.Errorf("%+v took %v already", next, took)
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
