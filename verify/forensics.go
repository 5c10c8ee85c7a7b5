// Forensics: what the layout of a store tells of its past.

package verify

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// MaxGroups bounds the groups of leaks that a report tells apart.
const MaxGroups = 1 << 12

// Forensics is what the layout of a store tells of its past. Groups and what
// follows from them are told of stores without errors only.
type Forensics struct {
	// LeakyKernel says that a kernel without the leak fix wrote the store:
	// its exceptions were committed in another order than allocated. It is
	// null where errors hide that.
	LeakyKernel *bool `json:"leaky_kernel"`
	// CVE20134299 counts the exceptions on metadata chunks, the trace of
	// CVE-2013-4299.
	CVE20134299 uint64 `json:"cve_2013_4299"`
	// CrashesAtLeast is the number of groups: how many crashes it takes at
	// least to leak what is leaked, if the store was never partly merged and
	// no copy was under way for longer than whole areas took to fill up.
	CrashesAtLeast uint64 `json:"crashes_at_least"`
	// Groups are the leaks by the crash that can have made them, oldest
	// first: at most MaxGroups.
	Groups []Group `json:"groups"`
	// UnexplainedChunks leaked where no crash can have leaked them. A merge
	// that was interrupted leaves such holes.
	UnexplainedChunks uint64 `json:"unexplained_chunks"`
}

// Group is the leaks of one crash. When it came, the list had so many
// exceptions; all chunks that exceptions behind name lie above all before it.
// The leaked chunks lie from FirstChunk to LastChunk, which were allocated
// since the crash before.
type Group struct {
	Exceptions uint64    `json:"exceptions"`
	Area       uint64    `json:"area"` // the last one that was committed
	FirstChunk cow.Chunk `json:"first_chunk"`
	LastChunk  cow.Chunk `json:"last_chunk"`
	Chunks     uint64    `json:"chunks"`
	Bytes      uint64    `json:"bytes"`
}

// crashFinder finds the places in the list where a crash can have leaked
// chunks.
//
// A leaky kernel writes an area while copies are under way only when the area
// has filled up (persistent_commit_exception in dm-snap-persistent.c; the
// other reason to write is that nothing is under way, and then nothing is
// lost). So at a crash that leaks, the list on disk ends with an area. The
// kernel that reads the store afterwards allocates above all it finds. Hence
// the crash stands at the end of an area where all exceptions behind name
// higher chunks than all before, and leaves fewer of them than were allocated.
type crashFinder struct {
	cuts []cut
}

// cut is the end of an area behind which all is higher than before, as far as
// the list was read.
type cut struct {
	area       uint64
	exceptions uint64
	next       cow.Chunk // all chunks before lie below
	leaked     uint64    // chunks below next that no exception before names
}

// lower takes back the cuts that an exception behind them lies below of.
func (f *crashFinder) lower(c cow.Chunk) {
	for n := len(f.cuts); n > 0 && c < f.cuts[n-1].next; n-- {
		f.cuts = f.cuts[:n-1]
	}
}

// areaFull notes the end of an area, with the exceptions and the next free
// chunk there. Only where chunks have leaked since the cut before is there
// anything for a crash to explain.
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
			Chunks: leaked, Bytes: leaked * g.ChunkBytes(),
		})
		before = c
	}
	return out
}

// forensics tells of the past of a store that leaked so many chunks, once all
// findings are there.
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
