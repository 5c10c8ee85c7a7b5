package dmctl

// What brings back the snapshot of a broken store, and in which order. Other
// functions and package mend do it.

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// RescueRequest describes a broken store, and what is wanted of its snapshot.
type RescueRequest struct {
	// Report is about the store and its origin.
	Report *verify.Report
	// HeaderLost says that areas show a store whose header is lost. The report can
	// call such a device empty.
	HeaderLost bool
	// InUse says that somebody has the store active, Snapshot which snapshot that
	// is; "" for a merge, or for a snapshot that is not known.
	InUse    bool
	Snapshot string
	// IsFile says that the store is a file, or a loop device over one.
	IsFile bool
	// OriginUnchanged says that nothing was written to the origin since the
	// snapshot was invalidated.
	OriginUnchanged bool
	// AssumeCanonical says that only kernels that leak no chunks wrote the store.
	// Without it, a damaged chunk number is not taken from the layout.
	AssumeCanonical bool
	// Grow says that the file of the store may grow.
	Grow bool
	// Extract asks for the snapshot's image, Activate for the snapshot itself.
	// At most one of them is true.
	Extract, Activate bool
}

// RescueStep is a step of a rescue.
type RescueStep uint8

// The steps, each with what it needs besides the store.
const (
	RescueHeader         RescueStep = iota + 1 // rebuild the header from the areas
	RescueStale                                // clear the records after the end of the list
	RescueDamage                               // repair what the canonical layout shows; the origin's size
	RescueValid                                // make the store valid, and give it room if asked
	RescueLeaks                                // give leaked chunks back
	RescueGrowFile                             // enlarge the store's file
	RescueGrowActive                           // enlarge the file of an active store
	RescueCheck                                // check that the store is sound; the origin's size
	RescueImage                                // extract the image; the origin
	RescueUncertainImage                       // extract what is left of it, of the store as it is; the origin
	RescueActivation                           // activate the snapshot; the origin
)

// RescueNote is what the user of a rescue should know besides its steps: why the
// result is uncertain or incomplete, or what else could be done.
type RescueNote uint8

// The notes. Each is true of the store in the request.
const (
	// The origin may have changed since the snapshot was invalidated, so only
	// copied chunks are certain.
	RescueOriginMayDiffer RescueNote = iota + 1
	// An image of what is left can be extracted, and was not asked for.
	RescueImagePossible
	// An area of the list is missing, and what it held is unknown.
	RescueAreaMissing
	// The header is lost, so it is unknown whether the snapshot was invalidated,
	// and only copied chunks are certain.
	RescueValidityUnknown
	// The layout shows where damaged exceptions have their data only if the
	// kernel leaks no chunks.
	RescueLayoutUnknown
	// Where the damage cannot be repaired with certainty, an image of what is
	// left can still be extracted.
	RescueMayNotRepair
	// The store is full, and its file would have to grow.
	RescueFullFile
	// The store is full, and is on a device that only others can enlarge.
	RescueFullDevice
	// No step needs a larger store, though it may grow.
	RescueGrowthUnused
	// A step needs the store idle, and somebody has it active.
	RescueHeld
)

// Rescue is what brings a snapshot back.
type Rescue struct {
	Steps []RescueStep
	Notes []RescueNote
	// Broken says that the store stays broken, because nothing certain can be
	// done without being asked for; Full that it stays full; Held that the steps
	// cannot be done while the store is in use.
	Broken, Full, Held bool
}

// PlanRescue finds the steps that make a store sound and valid, and what can be
// had if that is impossible. It changes nothing: the steps are for the caller to
// do, in order, until one fails.
func PlanRescue(req RescueRequest) Rescue {
	r := rescuing{RescueRequest: req}
	r.plan()
	if req.Grow && !slices.ContainsFunc(r.Steps, func(s RescueStep) bool { return s == RescueGrowFile || s == RescueGrowActive || s == RescueValid }) {
		r.note(RescueGrowthUnused)
	}
	if req.InUse && slices.ContainsFunc(r.Steps, r.needsIdle) {
		r.Held = true
		r.note(RescueHeld)
	}
	return r.Rescue
}

// rescuing is a rescue in the making.
type rescuing struct {
	RescueRequest
	Rescue
}

func (r *rescuing) do(s RescueStep) { r.Steps = append(r.Steps, s) }

func (r *rescuing) note(n RescueNote) { r.Notes = append(r.Notes, n) }

func (r *rescuing) plan() {
	if why := r.uncertain(); why != 0 {
		r.note(why)
		r.salvage()
		return
	}
	damaged := r.isDamaged()
	if damaged && r.Extract {
		r.do(RescueUncertainImage) // as it is: a repair may be refused, and would write
		return
	}
	if damaged {
		r.note(RescueMayNotRepair)
	}
	r.mend(damaged)
	r.Full = r.Report.Counts[verify.StoreFull] > 0 && !r.makeRoom()
	if len(r.Steps) > 0 {
		r.do(RescueCheck)
	}
	switch {
	case r.Extract:
		r.do(RescueImage)
	case r.Activate:
		r.do(RescueActivation)
	}
}

// uncertain is why the store cannot be made sound and valid with certainty; 0
// if it can, perhaps.
func (r *rescuing) uncertain() RescueNote {
	lost := r.lacksHeader()
	switch {
	case r.Report.Counts[verify.TruncatedArea] > 0:
		return RescueAreaMissing
	case lost && !r.OriginUnchanged:
		return RescueValidityUnknown
	case r.Report.Verdict == verify.Invalid && !r.OriginUnchanged:
		return RescueOriginMayDiffer
	case r.isDamaged() && !lost && !r.AssumeCanonical && !r.Extract:
		return RescueLayoutUnknown
	}
	return 0
}

// salvage plans to extract what is left, if that was asked for.
func (r *rescuing) salvage() {
	if r.Extract {
		r.do(RescueUncertainImage) // without a header, too: nothing is written to the store
		return
	}
	if r.lacksHeader() {
		r.do(RescueHeader) // as that of an invalidated store
	}
	r.note(RescueImagePossible)
	r.Broken = true
}

// mend plans what makes the store sound and valid.
func (r *rescuing) mend(damaged bool) {
	lost := r.lacksHeader()
	if lost {
		r.do(RescueHeader)
	}
	stale := r.Report.Counts[verify.StaleRecord] > 0 // a store can be leaked, too
	if v := r.Report.Verdict; stale && (v == verify.Stale || v == verify.Leaked) {
		r.do(RescueStale)
	}
	if damaged {
		r.do(RescueDamage)
	}
	if lost || r.Report.Verdict == verify.Invalid {
		r.do(RescueValid)
	}
}

// makeRoom plans to give a full store room. It returns false if somebody has to
// do more for that.
func (r *rescuing) makeRoom() (made bool) {
	valid := r.Report.Verdict != verify.Invalid
	if valid && !r.InUse && r.Report.Leaks.Chunks > 0 {
		r.do(RescueLeaks)
		made = true
	}
	switch {
	case r.IsFile && !r.Grow:
		r.note(RescueFullFile)
	case r.IsFile && !valid: // RescueValid does it
		made = true
	case r.IsFile && !r.InUse:
		r.do(RescueGrowFile)
		made = true
	case r.IsFile && r.Snapshot != "":
		r.do(RescueGrowActive)
		made = true
	default:
		r.note(RescueFullDevice)
	}
	return made
}

// needsIdle reports whether a step needs the store idle. A store that is in use
// can be judged, and enlarged through its snapshot. One that the kernel has
// invalidated can also be read.
func (r *rescuing) needsIdle(s RescueStep) bool {
	switch s {
	case RescueCheck, RescueGrowActive:
		return false
	case RescueImage, RescueUncertainImage:
		return r.Report.Verdict != verify.Invalid
	}
	return true
}

// lacksHeader reports whether the header of the store is lost or unusable.
func (r *rescuing) lacksHeader() bool {
	return r.HeaderLost || r.Report.Verdict == verify.Unrecognized || r.Report.Counts[verify.BadChunkSize] > 0
}

// isDamaged reports whether there is more wrong with the list of the store than
// that the snapshot was invalidated.
func (r *rescuing) isDamaged() bool {
	if r.lacksHeader() {
		return false
	}
	if r.Report.Verdict != verify.Invalid {
		return r.Report.Verdict == verify.Corrupt
	}
	for code, n := range r.Report.Counts {
		if n > 0 && verify.SeverityOf(code) == verify.Error && code != verify.SnapshotInvalid {
			return true
		}
	}
	return false
}
