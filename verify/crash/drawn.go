// The first failure, for pictures: which parts of its epoch are durable.

package crash

import (
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// DrawnEntry is an entry of the epoch of a failing state.
type DrawnEntry struct {
	Entry  int    `json:"entry"`
	What   string `json:"what"`   // the entry's kind, in words
	Sector uint64 `json:"sector"` // of the logged device, in its sectors
	// New says for each of its blocks, or for the first of many, whether it is
	// durable. Blocks is their true number.
	New    []bool `json:"new"`
	Blocks uint64 `json:"blocks"`
}

// Limits of what is drawn.
const (
	mostDrawn       = 200
	mostDrawnBlocks = 128
)

// drawn returns which parts of its epoch are durable in a state. It returns nil
// if the text is not a state of the log.
func (h *history) drawn(text string) (list []DrawnEntry) {
	s, err := ParseState(text)
	if err != nil || s.Durable > h.log.Len() {
		return nil
	}
	chosen := map[int]Choice{}
	for _, c := range s.Chosen {
		chosen[c.Entry] = c
	}
	for i := s.Durable; i < h.log.Len() && len(list) < mostDrawn; i++ {
		e := h.log.Entry(i)
		if e.Flags&logwrites.Flush != 0 && i > s.Durable {
			break
		}
		if !e.Writes() {
			continue
		}
		d := DrawnEntry{Entry: i, What: h.kinds[i].String(), Sector: e.Sector, Blocks: e.Sectors, New: make([]bool, min(e.Sectors, mostDrawnBlocks))}
		c, some := chosen[i]
		for b := range d.New {
			d.New[b] = some && c.Blocks == nil
		}
		for _, b := range c.Blocks {
			if b < len(d.New) {
				d.New[b] = true
			}
		}
		list = append(list, d)
	}
	return list
}
