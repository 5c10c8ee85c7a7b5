// Further passes over a store whose chunk numbers are too scattered for the
// bound on memory: the same exceptions again, for the sets alone.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// replay shows an account's new sets the exceptions that the first pass took,
// no more of them even where the store has grown meanwhile.
type replay struct {
	*account
	exceptions uint64 // still to come
}

// take is account.take without all that the first pass has settled.
func (r *replay) take(p piece) (more bool) {
	if p.err != nil {
		return r.exceptions > 0
	}
	for slot, e := range cow.Exceptions(p.records) {
		if r.exceptions == 0 || e.Terminates() {
			return false
		}
		r.exceptions--
		r.noteDuplicates(e, p.area, p.slot+uint64(slot))
	}
	return r.exceptions > 0
}
