// Roles: what each entry of a log and each block of the disk is to an origin
// and its stores.

package crash

// kind is what an entry does.
type kind uint8

const (
	elsewhere kind = iota // nothing of ours: outside all regions, or a mark
	flushes
	commits  // a write of an area, with FUA
	metadata // a header, or the zeroing of an area
	copies   // data in a COW store: a copy, or a write to the snapshot
	origins  // a write to the origin
)

var kindNames = [...]string{"other", "flush", "commit", "metadata", "copy", "origin write"}

func (k kind) String() string { return kindNames[k] }

// step is an entry as the explorer sees it.
type step struct {
	kind   kind
	store  int16 // of commits, metadata and copies
	writes []write
}

// write is what a step does to one block.
type write struct {
	cell  cell
	id    blockID
	block int32 // within the entry
}

// place is what a block of the disk is.
type place uint8

const (
	nowhere place = iota
	inOrigin
	inHeader // the first block of chunk 0
	inArea
	inData // the rest of the COW region, the rest of chunk 0 included
)

// role of a cell: for an area and data, which of the store's, and which block
// of it. Origins have a role in every store, kept there.
type role struct {
	place place
	store int16
	chunk int32 // index into the store's areas or cowChunks
	block int32
}
