// The disk as the explorer sees it: one state of it, block by block. Only
// blocks that somebody looks at are there; of the others the history knows what
// they hold. Blocks are compared by hashes of 64 bits under a key that each
// process draws anew.

package crash

import (
	"bytes"
	"fmt"
	"hash/maphash"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// blockID stands for what a block holds; 0 for zeros.
type blockID uint64

// overwritten is what the origin holds where it was written to after the
// first crash: something that was not there before.
const overwritten = ^blockID(0)

var hashKey = maphash.MakeSeed()

var zeros [logwrites.MaxSectorSize]byte

func isZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// idOf is the number of what a block holds.
func idOf(block []byte) blockID {
	if isZero(block) {
		return 0
	}
	return max(1, min(blockID(maphash.Bytes(hashKey, block)), overwritten-1))
}

// cell is the index of a block of the disk that somebody looks at.
type cell int32

const noCell cell = -1

// role of a cell: for an area and data, which of the store's, and which block
// of it. Origins have a role in every store, kept there.
type role struct {
	place place
	store int16
	chunk int32 // index into the store's areas or cowChunks
	block int32
}

// disk keeps what each cell holds now, and held when the epoch began.
type disk struct {
	*history
	// at is the entry before which all entries are durable. What a cell is
	// made with it held then.
	at int
	// end is behind the last entry of the epoch.
	end     int
	cells   map[uint64]cell // by block
	blocks  []uint64        // by cell
	content []blockID       // by cell
	durable []blockID       // by cell
	roles   []role          // by cell

	records map[blockID]*records   // of blocks that areas hold
	headers map[blockID]cow.Header // of blocks that chunk 0 starts with
	buf     []byte
	fresh   func(cell) // is told of each cell that is made; may be nil

	err error // the first error of bringing blocks in
}

// records are what a block of an area holds.
type records struct {
	list []cow.Exception
	used int    // of them, no terminators
	hash uint64 // of these and their places
}

// maxCells bounds the explorer's memory, by what one epoch touches: 16 Mi
// blocks take some 1.5 GiB.
const maxCells = 16 << 20

// errTooLarge is returned for epochs that touch more than maxCells blocks.
var errTooLarge = fmt.Errorf("more than %d blocks are touched between two flushes, which takes too much memory; record a smaller workload", maxCells)

func newDisk(h *history) *disk {
	return &disk{
		history: h,
		cells:   map[uint64]cell{},
		records: map[blockID]*records{},
		headers: map[blockID]cow.Header{},
	}
}

// fail notes an error of a place that cannot return it; Explore returns it.
func (d *disk) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// interned is the number of a block in a role; what areas and headers hold is
// kept with it.
func (d *disk) interned(block []byte, in place) blockID {
	id := idOf(block)
	switch in {
	case inArea:
		if d.records[id] == nil {
			d.records[id] = decodeRecords(block)
		}
	case inHeader:
		if _, known := d.headers[id]; !known {
			d.headers[id], _ = cow.DecodeHeader(block) // a block holds a header
		}
	}
	return id
}

func decodeRecords(block []byte) *records {
	r := &records{list: make([]cow.Exception, 0, len(block)/cow.ExceptionSize)}
	for slot, e := range cow.Exceptions(block) {
		r.list = append(r.list, e)
		if !e.Terminates() {
			r.used++
			r.hash ^= mix(uint64(slot)+2, mix(uint64(e.Old), uint64(e.New)))
		}
	}
	return r
}

// bring makes the cells of n blocks from first on, in the role r and those
// that follow on it. It is nil after an error.
func (d *disk) bring(first, n uint64, r role) []cell {
	if d.err != nil {
		return nil
	}
	if uint64(len(d.content))+n > maxCells {
		d.fail(errTooLarge)
		return nil
	}
	buf := d.buffer(n)
	if err := d.read(first, d.at, buf); err != nil {
		d.fail(err)
		return nil
	}
	cells := make([]cell, n)
	for i := range cells {
		block := buf[uint64(i)*d.layout.blockBytes:][:d.layout.blockBytes]
		cells[i] = d.newCell(first+uint64(i), r, d.interned(block, r.place))
		r.block++
	}
	return cells
}

// newCell makes the cell of a block that has none.
func (d *disk) newCell(block uint64, r role, id blockID) cell {
	c := cell(len(d.content))
	d.cells[block] = c
	d.blocks = append(d.blocks, block)
	d.content = append(d.content, id)
	d.durable = append(d.durable, id)
	d.roles = append(d.roles, r)
	if d.fresh != nil {
		d.fresh(c)
	}
	return c
}

func (d *disk) buffer(blocks uint64) []byte {
	if n := blocks * d.layout.blockBytes; n > uint64(len(d.buf)) {
		d.buf = make([]byte, n)
	}
	return d.buf[:blocks*d.layout.blockBytes]
}

// given is what an entry gives a cell.
func (d *disk) given(c cell, entry int) blockID {
	block := make([]byte, d.layout.blockBytes)
	if err := d.readFrom(d.blocks[c], entry, block); err != nil {
		d.fail(err)
		return 0
	}
	return idOf(block)
}

// wroteIn tells whether one of these entries gave a cell this content.
func (d *disk) wroteIn(c cell, id blockID, entries interval) bool {
	for entry := range d.writersOf(d.blocks[c], entries) {
		if d.given(c, entry) == id {
			return true
		}
	}
	return false
}

// writes is how many of these entries write a cell.
func (d *disk) writes(c cell, entries interval) int {
	n := 0
	for range d.writersOf(d.blocks[c], entries) {
		n++
	}
	return n
}

// mix hashes two numbers (the finalizer of MurmurHash3, on their combination).
func mix(a, b uint64) uint64 {
	h := a*0x9e3779b97f4a7c15 ^ b + 0x2545f4914f6cdd1d
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
