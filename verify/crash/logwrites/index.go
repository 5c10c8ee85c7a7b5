// The index: entries in 24 bytes each.

package logwrites

// packed is an entry without a mark's text.
type packed struct {
	sector, sectors uint64
	// place is the sector of the log at which the data starts, with the flags
	// in the upper bits.
	place uint64
}

// flagShift is above the bits of every sector of a log, which has at most 2^63
// bytes.
const flagShift = 56

// indexPage is how many entries are stored together. Growing copies none.
const indexPage = 1 << 12

// index holds the entries of a log.
type index struct {
	len   int
	pages [][]packed
}

func (x *index) add(e Entry, sectorSize uint64) {
	if x.len%indexPage == 0 {
		x.pages = append(x.pages, make([]packed, 0, min(indexPage, 64+x.len)))
	}
	page := &x.pages[x.len/indexPage]
	*page = append(*page, packed{e.Sector, e.Sectors, e.Data/sectorSize | uint64(e.Flags)<<flagShift})
	x.len++
}

func (x *index) at(i int, sectorSize uint64) Entry {
	p := &x.pages[i/indexPage][i%indexPage]
	return Entry{
		Sector: p.sector, Sectors: p.sectors,
		Flags: Flags(p.place >> flagShift),
		Data:  p.place & (1<<flagShift - 1) * sectorSize,
	}
}
