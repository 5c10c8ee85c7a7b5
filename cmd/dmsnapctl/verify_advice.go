// What can be done about a store.

package main

import (
	"cmp"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// adviceOnStore is what can be done about a store. If the origin is not given,
// the command has the placeholder ORIGIN.
func adviceOnStore(r *judged, origin string) []advice {
	origin = cmp.Or(origin, "ORIGIN")
	out := []advice{}
	switch r.Verdict {
	case verify.Unsettled:
		out = append(out, advise("try again when the store is less busy", "verify", argument(r.Path)))
	case verify.Corrupt:
		if r.Counts[verify.HeaderLost] > 0 && r.Live == nil {
			out = append(out, advise("show the header that the areas give", "repair", argument(r.Path), "--dry-run"))
		}
		if r.Live == nil {
			out = append(out, advise("show what can be repaired", "rescue", argument(r.Path), "--origin", origin))
		}
	case verify.Invalid:
		if r.Live == nil {
			out = append(out, advise("recover the snapshot, or the parts that are certain", "rescue", argument(r.Path), "--origin", origin))
		} else {
			out = append(out, advise("list the chunks that were copied", "delta", argument(r.Path)))
		}
	}
	if r.Live == nil && r.Verdict != verify.Corrupt && r.Verdict != verify.Invalid {
		if r.Counts[verify.StaleRecord] > 0 {
			out = append(out, advise("clear the records after the end of the list", "repair", argument(r.Path)))
		}
		if r.Counts[verify.LeakedChunks] > 0 {
			out = append(out, advise("give the leaked chunks back", "reclaim", argument(r.Path)))
		}
	}
	if f := r.Forensics; f != nil && f.LeakyKernel != nil && *f.LeakyKernel {
		out = append(out, advise("see whether the next kernel also leaks", "check", "--next"))
	}
	return out
}
