package verify

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// FuzzVerify judges whole stores. It varies what a store says about itself:
// the header, and the records, which are put where the header's chunk size has
// the areas. The data chunks between them are left out.
func FuzzVerify(f *testing.F) {
	records := func(exceptions ...cow.Exception) (b []byte) {
		for _, e := range exceptions {
			b = e.AppendTo(b)
		}
		return b
	}
	header := cow.NewHeader(1)
	invalid := header
	invalid.Valid = 0
	f.Add([]byte{}, []byte{}, uint16(0), uint64(0))
	f.Add(make([]byte, cow.HeaderSize), []byte{}, uint16(1), uint64(0))
	f.Add(header.AppendTo(nil), records(cowtest.Canonical(1, cowtest.Run(5, 40)...)...), uint16(50), uint64(20*512))
	f.Add(header.AppendTo(nil), records(cow.Exception{Old: 1, New: 3}, cow.Exception{Old: 1, New: math.MaxUint64}, cow.Exception{Old: 9, New: 2}), uint16(34), uint64(0))
	f.Add(invalid.AppendTo(nil), records(cow.Exception{}, cow.Exception{Old: 1, New: 2}), uint16(9), uint64(1))
	lost := cow.Header{ChunkSize: 2}
	f.Add(lost.AppendTo(nil), records(cow.Exception{Old: 1, New: 3}, cow.Exception{Old: 2, New: 2}, cow.Exception{}, cow.Exception{Old: 9, New: 2}), uint16(9), uint64(0))
	f.Fuzz(func(t *testing.T, header, records []byte, deviceChunks uint16, originBytes uint64) {
		originBytes = min(originBytes, math.MaxInt64-1<<31) // the naive judge rounds up without a look
		image := fuzzedStore(header, records, uint64(deviceChunks))
		r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{OriginBytes: int64(originBytes), MemoryBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(naive(image, originBytes), figuresOf(r)); diff != "" {
			t.Fatalf("figures (-naive +got):\n%s", diff)
		}
	})
}

// fuzzedStore puts records into the areas of a device with this many chunks.
// If a header gives no place for areas, it puts them right after the header.
func fuzzedStore(header, records []byte, deviceChunks uint64) []byte {
	const largest = 4 // sectors; an image of a few chunks must be small
	h, err := cow.DecodeHeader(header)
	if err != nil || h.ChunkSize > largest {
		return append(header[:len(header):len(header)], records...)
	}
	g, err := cow.NewGeometry(h.ChunkSectors())
	if err != nil {
		return header
	}
	image := make([]byte, max(cow.HeaderSize, int64(min(deviceChunks, 1<<10))*g.ChunkBytes()))
	copy(image, header)
	for area := uint64(0); len(records) > 0 && area < g.BoundsOf(int64(len(image)), 0).Areas(); area++ {
		n := copy(image[g.RecordOffset(area, 0):][:g.ChunkBytes()], records)
		records = records[n:]
	}
	return image
}
