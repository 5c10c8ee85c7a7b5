// The disk as the explorer sees it: blocks as numbers. Equal blocks have equal
// numbers, so that comparing a block is comparing an integer.

package crash

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// blockID stands for what a block holds; 0 for zeros.
type blockID uint32

// cell is the index of a block of the disk that somebody looks at. Blocks that
// no entry touches and no exception names have none.
type cell int32

const noCell cell = -1

// maxCells bounds the explorer's memory: 16 Mi blocks take some 2 GiB.
const maxCells = 16 << 20

// errTooLarge is returned for logs that touch more than maxCells blocks.
var errTooLarge = fmt.Errorf("the log touches more than %d blocks, which takes too much memory; record a smaller workload", maxCells)

// base is the disk as it was before the first entry of the log.
type base struct {
	io.ReaderAt        // nil for zeros
	size        uint64 // bytes; zeros behind them
}

// disk keeps what each cell holds now.
type disk struct {
	blockBytes uint64
	base       base
	cells      map[uint64]cell // by block
	content    []blockID       // by cell
	ids        map[[sha256.Size]byte]blockID
	last       blockID
	records    map[blockID][]cow.Exception // of blocks that areas hold
	headers    map[blockID]cow.Header      // of blocks that chunk 0 starts with
	buf        []byte
}

func newDisk(blockBytes uint64, b base) *disk {
	return &disk{
		blockBytes: blockBytes,
		base:       b,
		cells:      map[uint64]cell{},
		ids:        map[[sha256.Size]byte]blockID{},
		records:    map[blockID][]cow.Exception{},
		headers:    map[blockID]cow.Header{},
		buf:        make([]byte, blockBytes),
	}
}

// intern is the number of a block with these bytes.
func (d *disk) intern(block []byte) blockID {
	if isZero(block) {
		return 0
	}
	sum := sha256.Sum256(block)
	id, known := d.ids[sum]
	if !known {
		d.last++
		id = d.last
		d.ids[sum] = id
	}
	return id
}

var zeros [logwrites.MaxSectorSize]byte

func isZero(b []byte) bool { return bytes.Equal(b, zeros[:len(b)]) }

// internArea interns a block of an area and keeps its records.
func (d *disk) internArea(block []byte) blockID {
	id := d.intern(block)
	if _, known := d.records[id]; !known {
		records := make([]cow.Exception, 0, len(block)/cow.ExceptionSize)
		for _, e := range cow.Exceptions(block) {
			records = append(records, e)
		}
		d.records[id] = records
	}
	return id
}

// internHeader interns the first block of chunk 0 and keeps its header.
func (d *disk) internHeader(block []byte) blockID {
	id := d.intern(block)
	if _, known := d.headers[id]; !known {
		d.headers[id], _ = cow.DecodeHeader(block) // a block holds a header
	}
	return id
}

// interner is how a block is interned where it stands.
type interner func(*disk, []byte) blockID

// cellAt is the cell of a block, made with the base's content where there is
// none yet; fresh tells which.
func (d *disk) cellAt(block uint64, intern interner) (c cell, fresh bool, err error) {
	if c, ok := d.cells[block]; ok {
		return c, false, nil
	}
	if len(d.content) >= maxCells {
		return noCell, false, errTooLarge
	}
	if err := d.base.read(d.buf, block*d.blockBytes); err != nil {
		return noCell, false, fmt.Errorf("reading block %d of the base image: %w", block, err)
	}
	c = cell(len(d.content))
	d.content = append(d.content, intern(d, d.buf))
	d.cells[block] = c
	return c, true, nil
}

// read fills buf from offset on; behind the base's end there are zeros.
func (b base) read(buf []byte, offset uint64) error {
	clear(buf)
	if b.ReaderAt == nil || offset >= b.size {
		return nil
	}
	buf = buf[:min(uint64(len(buf)), b.size-offset)]
	if n, err := b.ReadAt(buf, int64(offset)); n < len(buf) && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
