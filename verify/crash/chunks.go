// Chunks of the origin and of the COW device, and who holds what.

package crash

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// version is a content that an entry gave a block.
type version struct {
	entry int
	id    blockID
}

// originChunk is a chunk of the origin and what the snapshot must show of it.
type originChunk struct {
	number  cow.Chunk
	cells   []cell
	want    []blockID
	at      []copied  // the exceptions that name it, the first of the list first
	before  *cowChunk // where it was when the epoch began
	bad     int       // blocks that show something else
	touched bool      // is on the list of changed ones
	swept   uint64    // the last change of data that it was told of
}

// copied is where an exception has an origin chunk.
type copied struct {
	to    *cowChunk
	index uint64 // of the exception
}

// cowChunk is a chunk of the COW device.
type cowChunk struct {
	number cow.Chunk
	cells  []cell
	owners []*originChunk // origin chunks that are copied here
}

// blockRef is a block of an origin chunk.
type blockRef struct {
	chunk *originChunk
	block int32
}

// now is where the image's chunk lies, nil for in the origin. Of two exceptions
// for one chunk the kernel finds that which it read first.
func (o *originChunk) now() *cowChunk {
	if len(o.at) == 0 {
		return nil
	}
	return o.at[0].to
}

// holder is the cells in which the image's chunk lies.
func (o *originChunk) holder() []cell {
	if c := o.now(); c != nil {
		return c.cells
	}
	return o.cells
}
