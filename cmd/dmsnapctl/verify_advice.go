// What can be done about a store.

package main

import (
	"cmp"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// adviceOnStore is what can be done about a store. Where the origin is not
// given, its place in the command stands open.
func adviceOnStore(r *judged, origin string) []advice {
	origin = cmp.Or(origin, "ORIGIN")
	out := []advice{}
	switch r.Verdict {
	case verify.Unsettled:
		out = append(out, advise("again, when the kernel has less to do", "verify", r.Path))
	case verify.Corrupt:
		if r.Live == nil {
			out = append(out, advise("what can be put right", "rescue", r.Path, "--origin", origin))
		}
	case verify.Invalid:
		if r.Live == nil {
			out = append(out, advise("the snapshot back, or what is certain of it", "rescue", r.Path, "--origin", origin))
		} else {
			out = append(out, advise("which chunks were kept", "delta", r.Path))
		}
	}
	if r.Live == nil && r.Verdict != verify.Corrupt && r.Verdict != verify.Invalid {
		if r.Counts[verify.StaleRecord] > 0 {
			out = append(out, advise("clear what stands behind the list", "repair", r.Path))
		}
		if r.Counts[verify.LeakedChunks] > 0 {
			out = append(out, advise("give the leaked chunks back", "reclaim", r.Path))
		}
	}
	if f := r.Forensics; f != nil && f.LeakyKernel != nil && *f.LeakyKernel {
		out = append(out, advise("whether the next kernel leaks, too", "check", "--next"))
	}
	return out
}
