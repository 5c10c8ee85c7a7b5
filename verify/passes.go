// Further passes over a store whose chunk numbers are too scattered for the
// memory limit. They read the same exceptions again, only for the sets.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/chunkset"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// replay shows the sets of an account the same exceptions as the first pass,
// and no more even if the store has grown.
type replay struct {
	*account
	rest       *chunkset.Rest
	areas      uint64 // that belong to the list
	exceptions uint64 // still expected
}

// take is account.take without what the first pass has settled. more is false
// if no more exceptions are expected.
func (r *replay) take(p store.Piece) (more bool) {
	if p.Area >= r.areas {
		return false
	}
	switch lost := r.unread.has(r.index(p.Area, p.Slot)); {
	case p.Err != nil && !lost:
		r.noteLost(p.Err)
		return true
	case p.Err != nil, lost: // what was unreadable in the first pass was not counted
		return true
	}
	n := min(r.exceptions, uint64(len(p.Records))/cow.ExceptionSize)
	r.exceptions -= n
	r.rest.Take(p.Records[:n*cow.ExceptionSize], func(i int, e cow.Exception, onCOW, onOrigin bool) {
		r.noteDuplicates(e, p.Area, p.Slot+uint64(i), onCOW, onOrigin)
	})
	return r.exceptions > 0
}

// noteLost reports records that the first pass could read and this one cannot.
// The account of this pass's chunks is then incomplete.
func (r *replay) noteLost(e *store.ReadError) {
	r.unread.add(r.index(e.Area, e.Slot))
	r.found.note(UnreadableArea, 1, func() Finding {
		return Finding{
			Message: fmt.Sprintf("area %d cannot be read again from record %d on: %v; duplicates and leaks are reported without it", e.Area, e.Slot, e.Err),
			Offset:  e.Offset,
			Area:    &e.Area,
			Slot:    &e.Slot,
		}
	})
}
