// Forensics: what the layout of a store reveals about its past.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// MaxGroups bounds the groups of leaks in a report.
const MaxGroups = 1 << 12

// Forensics is what the layout of a store reveals about its past. Groups, and
// the figures derived from them, are set only for stores without errors.
type Forensics struct {
	// LeakyKernel says that a kernel without the leak fix wrote the store: its
	// exceptions were not committed in the order of allocation. It is null if
	// errors hide the order.
	LeakyKernel *bool `json:"leaky_kernel"`
	// CVE20134299 counts the exceptions on metadata chunks, which CVE-2013-4299
	// leaves.
	CVE20134299 uint64 `json:"cve_2013_4299"`
	// CrashesAtLeast is the number of groups: the fewest crashes that explain
	// the leaks. It assumes that the store was never partly merged and that no
	// copy was in flight while whole areas filled up.
	CrashesAtLeast uint64 `json:"crashes_at_least"`
	// Groups are the leaks by the crash that can have caused them, oldest
	// first: at most MaxGroups.
	Groups []Group `json:"groups"`
	// UnexplainedChunks are leaked chunks that no crash explains. An
	// interrupted merge leaves such holes.
	UnexplainedChunks uint64 `json:"unexplained_chunks"`
}

// Group is the leaks of one crash. The list had Exceptions exceptions when it
// happened; all later exceptions name higher chunks than all earlier ones. The
// leaked chunks lie between FirstChunk and LastChunk, and were allocated after
// the previous crash.
type Group struct {
	Exceptions uint64    `json:"exceptions"`
	Area       uint64    `json:"area"` // the last one committed
	FirstChunk cow.Chunk `json:"first_chunk"`
	LastChunk  cow.Chunk `json:"last_chunk"`
	Chunks     uint64    `json:"chunks"`
	Bytes      int64     `json:"bytes"`
}

// crashFinder finds the places in the list where a crash can have leaked
// chunks.
//
// A leaky kernel with copies in flight writes an area only when the area is
// full (persistent_commit_exception in dm-snap-persistent.c). It also writes
// one when nothing is in flight, but then a crash loses nothing. So after a
// crash that leaks, the list on disk ends with a full area. The kernel that
// reads the store next allocates above everything it finds. Hence a crash lies
// at the end of an area if all later exceptions name higher chunks than all
// earlier ones, and fewer chunks are named than were allocated.
type crashFinder struct {
	cuts []cut
}

// cut is the end of an area after which, as far as the list was read, all
// chunks are higher than those before.
type cut struct {
	area       uint64
	exceptions uint64
	next       cow.Chunk // all chunks before lie below
	leaked     uint64    // chunks below next that no exception before names
}

// lower drops the cuts that have c below them.
func (f *crashFinder) lower(c cow.Chunk) {
	for n := len(f.cuts); n > 0 && c < f.cuts[n-1].next; n-- {
		f.cuts = f.cuts[:n-1]
	}
}

// areaFull notes the end of an area, with the exceptions and the next free
// chunk there. It adds a cut only if chunks have leaked since the previous one.
func (f *crashFinder) areaFull(g cow.Geometry, area, exceptions uint64, next cow.Chunk) {
	allocated := g.DataChunksIn(cow.FirstData, next)
	c := cut{area: area, exceptions: exceptions, next: next, leaked: allocated - min(exceptions, allocated)}
	leaked := uint64(0)
	if n := len(f.cuts); n > 0 {
		leaked = f.cuts[n-1].leaked
	}
	if c.leaked <= leaked {
		return
	}
	if len(f.cuts) >= MaxGroups {
		f.cuts = f.cuts[:MaxGroups-1] // the last two become one: fewer crashes, not more
	}
	f.cuts = append(f.cuts, c)
}

// groups are the leaks between one cut and the next.
func (f *crashFinder) groups(g cow.Geometry) []Group {
	out := make([]Group, 0, len(f.cuts))
	before := cut{next: cow.FirstData}
	for _, c := range f.cuts {
		leaked := c.leaked - before.leaked
		out = append(out, Group{
			Exceptions: c.exceptions, Area: c.area, FirstChunk: g.SkipMetadata(before.next), LastChunk: c.next - 1,
			Chunks: leaked, Bytes: int64(leaked) * g.ChunkBytes(),
		})
		before = c
	}
	return out
}

// forensics describes the past of a store with this many leaked chunks. It
// needs all findings.
func (f *crashFinder) forensics(g cow.Geometry, found *findings, outOfOrder bool, leaked uint64) *Forensics {
	out := &Forensics{CVE20134299: found.counts[ChunkIsMetadata], Groups: []Group{}}
	if !found.onlyError(SnapshotInvalid) {
		return out
	}
	out.LeakyKernel = &outOfOrder
	out.Groups = f.groups(g)
	out.CrashesAtLeast = uint64(len(out.Groups))
	out.UnexplainedChunks = leaked
	for _, group := range out.Groups {
		out.UnexplainedChunks -= group.Chunks
	}
	return out
}
