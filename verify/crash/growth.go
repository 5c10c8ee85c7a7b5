// Growth: COW devices that were smaller when the log began.

package crash

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Growth says how large a COW device was until it grew.
type Growth struct {
	// Region is what the device was before: a beginning of one of Options.COW.
	Region Region
	// Mark is the text of a mark that was sent before the device grew, while no
	// commit was under way.
	Mark string
}

func (g Growth) String() string { return fmt.Sprintf("%v@%s", g.Region, g.Mark) }

// ParseGrowth parses a region and a mark with an @ between them.
func ParseGrowth(text string) (Growth, error) {
	at, mark, ok := strings.Cut(text, "@")
	region, err := ParseRegion(at)
	if !ok || mark == "" || err != nil {
		return Growth{}, fmt.Errorf("%q is not a smaller COW device: the region it had, and the mark until which it had that, as in 16384+336@grown", text)
	}
	return Growth{region, mark}, nil
}

// size is the size of a COW device up to an entry.
type size struct {
	until   int // entries
	sectors cow.Sectors
}

// findGrowth finds the marks of Grown.
func (o *Options) findGrowth(l *logwrites.Log) error {
	o.grown = map[cow.Sectors][]size{}
	for _, g := range o.Grown {
		mark, err := findMark(l, g.Mark)
		if err != nil {
			return err
		}
		known := false
		for _, r := range o.COW {
			known = known || r.Start == g.Region.Start && g.Region.Len <= r.Len
		}
		if !known {
			return fmt.Errorf("no COW store can have grown from %v: none begins there and is as large now", g.Region.inBlocks(l.SectorSize))
		}
		o.grown[g.Region.Start] = append(o.grown[g.Region.Start], size{mark, g.Region.Len})
	}
	return nil
}

// chunksAt is how many chunks the store's device had when an entry was written.
func (s *storeLayout) chunksAt(entry int) uint64 {
	chunks := s.bounds.DeviceChunks
	for _, was := range s.sizes {
		if entry < was.until {
			chunks = min(chunks, s.bounds.Geometry.ChunksIn(Region{Len: was.sectors}.bytes()))
		}
	}
	return chunks
}
