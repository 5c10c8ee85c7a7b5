// Chunks of the origin and of the COW device, and which holds which.

package crash

import "github.com/dmsnapctl/dmsnapctl/verify/cow"

// version is the content that an entry gave a block.
type version struct {
	entry int
	id    blockID
}

// originChunk is a chunk of the origin and what the snapshot must show for it.
type originChunk struct {
	number  cow.Chunk
	cells   []cell
	want    []blockID
	at      []copied  // the exceptions that name it, in list order
	before  *cowChunk // where it was when the epoch began
	bad     int       // blocks with the wrong content
	touched bool      // in the list of changed ones
	swept   uint64    // the last change of data that it took in
}

// copied is where an exception puts an origin chunk.
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

// now is the COW chunk that the image is read from; nil means the origin. If
// two exceptions name the chunk, the kernel finds the one that it read first.
func (o *originChunk) now() *cowChunk {
	if len(o.at) == 0 {
		return nil
	}
	return o.at[0].to
}

// holder are the cells that the image's chunk is read from.
func (o *originChunk) holder() []cell {
	if c := o.now(); c != nil {
		return c.cells
	}
	return o.cells
}
