// The unit of a user's regions, found from the stores in the log and the base.

package crash

import (
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Unit returns the unit of a user's regions, in sectors of 512 bytes. It is the
// log's sector, unless the COW regions have stores at their starts only if they
// are in sectors of 512 bytes. baseImage has baseSize bytes and may be nil.
func Unit(l *logwrites.Log, baseImage io.ReaderAt, baseSize int64, stores []Region) (cow.Sectors, error) {
	sector := cow.Sectors(l.SectorSize / cow.SectorSize)
	for _, unit := range []cow.Sectors{sector, 1} {
		found := 0
		for _, r := range stores {
			scaled, err := r.Times(unit)
			if err != nil {
				continue
			}
			at, err := scaled.span(l.SectorSize)
			if err != nil {
				continue
			}
			if _, err = findChunkSize(l, newBase(baseImage, baseSize), -1, at.first); err == nil {
				found++
			} else if !errors.Is(err, ErrNoStore) {
				return 0, err
			}
		}
		if found == len(stores) {
			return unit, nil
		}
	}
	return sector, nil // Explore says what is missing
}

// findChunkSize looks for a store's header at a block: the last one written
// before the mark, else the first one after it, else the one in the base image.
func findChunkSize(l *logwrites.Log, b base, mark int, first uint64) (cow.Sectors, error) {
	block := make([]byte, l.SectorSize)
	if err := b.read(block, first*l.SectorSize); err != nil {
		return 0, fmt.Errorf("reading the base image: %w", err)
	}
	found, ok := chunkSizeIn(block)
	for i, e := range l.Entries() {
		if ok && i > mark {
			break
		}
		if !e.HasData() || e.Sector > first || first-e.Sector >= e.Sectors {
			continue
		}
		if err := l.ReadData(e, first-e.Sector, block); err != nil {
			return 0, fmt.Errorf("reading entry %d: %w", i, err)
		}
		if chunk, is := chunkSizeIn(block); is {
			found, ok = chunk, true
		}
	}
	if !ok {
		return 0, ErrNoStore
	}
	return found, nil
}

func chunkSizeIn(block []byte) (cow.Sectors, bool) {
	h, err := cow.DecodeHeader(block)
	if err != nil || h.Magic != cow.Magic || cow.CheckChunkSize(h.ChunkSectors()) != nil {
		return 0, false
	}
	return h.ChunkSectors(), true
}
