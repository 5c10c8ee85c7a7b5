// The disk as the explorer sees it: one state, block by block. It holds only
// blocks that are tracked; the history knows the content of the others. Blocks
// are compared by 64-bit hashes under a random key per process.

package crash

import (
	"fmt"
	"hash/maphash"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// blockID stands for the content of a block; 0 for zeros.
type blockID uint64

// overwritten is the content of origin blocks written after the first crash: a
// content that did not occur before.
const overwritten = ^blockID(0)

var hashKey = maphash.MakeSeed()

var zeros [logwrites.MaxSectorSize]byte

// idOf returns the ID of a block's content.
func idOf(block []byte) blockID {
	if blockdev.IsZero(block) {
		return 0
	}
	return max(1, min(blockID(maphash.Bytes(hashKey, block)), overwritten-1))
}

// cell is the index of a tracked block of the disk.
type cell int32

const noCell cell = -1

// role is what a cell is for: for areas and data, which one of the store's, and
// which block of it. Origin cells have a role in every store, kept there.
type role struct {
	place place
	store int16
	chunk int32 // index into the store's areas or cowChunks
	block int32
}

// disk keeps what each cell holds now, and held when the epoch began.
type disk struct {
	*history
	// at is the entry before which all entries are durable. A new cell starts
	// with its content at that entry.
	at int
	// end is the entry after the epoch.
	end     int
	cells   map[uint64]cell // by block
	blocks  []uint64        // by cell
	content []blockID       // by cell
	durable []blockID       // by cell
	roles   []role          // by cell

	records map[blockID]*records   // of blocks that areas hold
	headers map[blockID]cow.Header // of blocks that chunk 0 starts with
	buf     []byte
	fresh   func(cell) // called with each new cell; may be nil

	err error // the first error of reading blocks
}

// records are the records in a block of an area.
type records struct {
	list []cow.Exception
	used int    // those that are not terminators
	hash uint64 // of those and their places
}

// maxCells bounds the explorer's memory by what one epoch touches: 16 Mi blocks
// take some 1.5 GiB.
const maxCells = 16 << 20

// errTooLarge is returned for an epoch that touches more than maxCells blocks.
var errTooLarge = fmt.Errorf("more than %d blocks are touched between two flushes, which takes too much memory; record a smaller workload", maxCells)

func newDisk(h *history) *disk {
	return &disk{
		history: h,
		cells:   map[uint64]cell{},
		records: map[blockID]*records{},
		headers: map[blockID]cow.Header{},
	}
}

// fail records an error where it cannot be returned; Explore returns it.
func (d *disk) fail(err error) {
	if d.err == nil {
		d.err = err
	}
}

// interned returns the ID of a block in a role, and keeps the content of areas
// and headers with it.
func (d *disk) interned(block []byte, in place) blockID {
	id := idOf(block)
	switch in {
	case inArea:
		if d.records[id] == nil {
			d.records[id] = decodeRecords(block)
		}
	case inHeader:
		if _, known := d.headers[id]; !known {
			d.headers[id], _ = cow.DecodeHeader(block) // a block is large enough for a header
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

// bring makes the cells of n blocks starting at first, in role r and the
// following ones. It returns nil after an error.
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

// newCell makes the cell of a block without one.
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

// given is the content that an entry gives a cell.
func (d *disk) given(c cell, entry int) blockID {
	block := make([]byte, d.layout.blockBytes)
	if err := d.readFrom(d.blocks[c], entry, block); err != nil {
		d.fail(err)
		return 0
	}
	return idOf(block)
}

// wroteIn reports whether one of these entries gave a cell this content.
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
