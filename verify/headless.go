// Headless: a store that has lost its header, recognised by its first area.

package verify

import (
	"fmt"
	"io"
	"math"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// headlessBytes is how much of an area is enough to recognise it, in bytes.
const headlessBytes = 4 << 10

// headless looks for the first area of a store, where a store of each legal
// chunk size would have it, and returns the chunk size. It is 0 if no area is
// found; the error then says which place could not be read.
//
// The smallest chunk size counts: an area of a larger one would be in the data,
// while the smaller ones have their place in the chunk of the header, of which
// the kernel writes the rest as zeroes.
func headless(r io.ReaderAt, size int64) (chunk cow.Sectors, err error) {
	var buf [headlessBytes]byte
	for chunk := cow.Sectors(1); chunk <= cow.MaxChunkSize; chunk *= 2 {
		g, errSize := cow.NewGeometry(chunk)
		if errSize != nil {
			return 0, errSize
		}
		b := g.BoundsOf(size, 0)
		if !b.OnDevice(cow.FirstData) {
			break // no room for an exception's data
		}
		at := int64(g.RecordOffset(0, 0))
		records := buf[:min(headlessBytes, g.ChunkBytes())]
		if errRead := blockdev.ReadFull(r, records, at); errRead != nil {
			err = fmt.Errorf("looking for an area at byte %d: %w", at, errRead)
			continue
		}
		if beginsList(b, records) {
			return chunk, nil
		}
	}
	return 0, err
}

// beginsList reports whether records can only be the start of an area 0 with
// exceptions. Foreign data must not pass, so every record counts: those of the
// list are sound and name no chunk twice, and behind its end are zeroes, as the
// kernel clears areas, or sound records that died in a crash.
func beginsList(b cow.Bounds, records []byte) bool {
	ended := false
	olds, news := map[cow.Chunk]bool{}, map[cow.Chunk]bool{}
	for slot, e := range cow.Exceptions(records) {
		if e == (cow.Exception{}) {
			if slot == 0 {
				return false
			}
			ended = true
			continue
		}
		place, ok := b.Geometry.Offset(e.Old)
		if !ok || place > math.MaxInt64 || !b.Fits(e) {
			return false
		}
		if !ended && (olds[e.Old] || news[e.New]) {
			return false
		}
		olds[e.Old], news[e.New] = true, true
	}
	return true
}
