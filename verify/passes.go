// Further passes over a store whose chunk numbers are too scattered for the
// bound on memory: the same exceptions again, for the sets alone.

package verify

import (
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/chunkset"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// replay shows the sets of an account the exceptions that the first pass took,
// and no more even if the store has grown meanwhile.
type replay struct {
	*account
	rest       *chunkset.Rest
	areas      uint64 // that belong to the list
	exceptions uint64 // still to come
}

// take is account.take without all that the first pass has settled; more is
// false where nothing is to come.
func (r *replay) take(p store.Piece) (more bool) {
	if p.Area >= r.areas {
		return false
	}
	switch lost := r.unread.has(r.index(p.Area, p.Slot)); {
	case p.Err != nil && !lost:
		r.noteLost(p.Err)
		return true
	case p.Err != nil, lost: // what can be read only now was not counted, either
		return true
	}
	n := min(r.exceptions, uint64(len(p.Records))/cow.ExceptionSize)
	r.exceptions -= n
	r.rest.Take(p.Records[:n*cow.ExceptionSize], func(i int, e cow.Exception, onCOW, onOrigin bool) {
		r.noteDuplicates(e, p.Area, p.Slot+uint64(i), onCOW, onOrigin)
	})
	return r.exceptions > 0
}

// noteLost reports what the first pass could read and this one cannot: of the
// chunks that it is for, not all is known then.
func (r *replay) noteLost(e *store.ReadError) {
	r.unread.add(r.index(e.Area, e.Slot))
	r.found.note(UnreadableArea, 1, func() Finding {
		return Finding{
			Message: fmt.Sprintf("area %d cannot be read again from record %d on: %v; duplicates and leaks are told without it", e.Area, e.Slot, e.Err),
			Offset:  e.Offset,
			Area:    &e.Area,
			Slot:    &e.Slot,
		}
	})
}
