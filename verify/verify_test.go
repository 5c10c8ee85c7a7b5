package verify

import (
	"bytes"
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// chunk4K is the chunk size of most tests: 256 exceptions to an area.
const chunk4K = cow.Sectors(8)

func judgeImage(t interface {
	Helper()
	Fatalf(string, ...any)
}, image []byte, opt Options) *Report {
	t.Helper()
	r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), opt)
	if err != nil {
		t.Fatalf("Verify: %v", err)
	}
	return r
}

// leakedByTheFix is the worked example of the kernel's fix: 251 exceptions are
// committed, ten more chunks are allocated, and the copies of the last five
// finish first, last one first. They fill the first area, which is written;
// then the machine crashes.
func leakedByTheFix() cowtest.Store {
	exceptions := cowtest.Canonical(chunk4K, cowtest.Run(0, 261)...)
	committed := exceptions[:251:251]
	for block := 260; block >= 256; block-- {
		committed = append(committed, exceptions[block])
	}
	return cowtest.Store{Chunk: chunk4K, Exceptions: committed, DeviceChunks: 4096}
}

func TestWorkedExampleOfTheFix(t *testing.T) {
	got := judgeImage(t, leakedByTheFix().Bytes(), Options{})
	deviation := uint64(251)
	area := uint64(0)
	want := &Report{
		Verdict:  Leaked,
		Header:   &Header{Magic: "0x70416e53", Valid: true, Version: 1, ChunkSectors: 8},
		Geometry: &Geometry{ChunkBytes: 4096, ExceptionsPerArea: 256, DeviceChunks: 4096},
		Usage: &Usage{
			Exceptions: 256, Areas: 2, NextFreeChunk: 264,
			AllocatedSectors: 264 * 8, MetadataSectors: 3 * 8, TotalSectors: 4096 * 8,
		},
		Leaks: Leaks{Chunks: 5, Bytes: 5 * 4096, Ranges: []Range{{First: 253, Last: 257}}},
		Order: &Order{Canonical: false, Descents: 4, FirstDeviation: &deviation},
		Forensics: &Forensics{
			LeakyKernel: ptr(true), CrashesAtLeast: 1,
			Groups: []Group{{Exceptions: 256, FirstChunk: 2, LastChunk: 263, Chunks: 5, Bytes: 5 * 4096}},
		},
		Counts: map[Code]uint64{LeakedChunks: 5},
		Findings: []Finding{{
			Code: LeakedChunks, Severity: Warning, Offset: 253 * 4096, Area: &area,
			Message: "chunks 253-257 leaked: 20480 bytes that no exception names; the kernel never uses them again",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
}
