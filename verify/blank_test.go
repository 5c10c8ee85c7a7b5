package verify

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// A magic of 0 means an empty store only if there is nothing else: the kernel
// would overwrite whatever is there.
func TestOnlyABlankDeviceIsEmpty(t *testing.T) {
	for _, tt := range []struct {
		name    string
		offset  int
		content string
		want    Verdict
		says    string
	}{
		{"zeros", 0, "", Empty, ""},
		{"ext4", 0x438, "\x53\xef", Unrecognized, "ext"},
		{"GPT", 512, "EFI PART", Unrecognized, "gpt"},
		{"swap", 4086, "SWAPSPACE2", Unrecognized, "swap"},
		{"btrfs", 0x10040, "_BHRfS_M", Unrecognized, "btrfs"},
		{"a byte within 8 KiB", 8191, "x", Unrecognized, "byte 8191"},
		{"a byte behind them", 8192, "x", Empty, ""},
	} {
		image := make([]byte, 1<<20)
		copy(image[tt.offset:], tt.content)
		r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		said := ""
		if len(r.Findings) > 0 {
			said = r.Findings[0].Message
		}
		if r.Verdict != tt.want || (r.Counts[BadMagic] > 0) != (tt.want == Unrecognized) || !strings.Contains(said, tt.says) {
			t.Errorf("%s: %s, %v, %q; want %s", tt.name, r.Verdict, r.Counts, said, tt.want)
		}
	}
}

// The kernel accepts a store only on devices whose block size divides its
// chunk size.
func TestChunkThatFitsNoBlock(t *testing.T) {
	image := cowtest.Store{Chunk: 2, Exceptions: cowtest.Canonical(2, 1), DeviceChunks: 64}.Bytes()
	for block, want := range map[int]Verdict{0: Clean, 512: Clean, 1024: Clean, 4096: Corrupt} {
		r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{BlockBytes: block})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != want || (r.Counts[ChunkSizeMisfit] > 0) != (want == Corrupt) {
			t.Errorf("blocks of %d bytes: %s, %v; want %s", block, r.Verdict, r.Counts, want)
		}
	}
}

// A store with no room for another chunk is intact, but reports that.
func TestFullStore(t *testing.T) {
	for chunks, want := range map[uint64]uint64{4: 1, 5: 0} {
		image := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, 7, 9), DeviceChunks: chunks}.Bytes()
		r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != Clean || r.Counts[StoreFull] != want || r.Usage.AllocatedSectors > r.Usage.TotalSectors {
			t.Errorf("%d chunks: %s, %v", chunks, r.Verdict, r.Counts)
		}
	}
}
