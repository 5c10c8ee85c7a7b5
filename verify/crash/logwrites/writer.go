// Writing logs: for tests, mutants and keeping part of a log.

package logwrites

import (
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Writer writes a log as dm-log-writes does.
type Writer struct {
	w          io.Writer
	sectorSize uint64
	err        error
}

// NewWriter starts a log of this many entries on w, with sectors of sectorSize
// bytes.
func NewWriter(w io.Writer, sectorSize, entries uint64) *Writer {
	l := &Writer{w: w, sectorSize: sectorSize}
	l.block(super{magic: Magic, version: logVersion, entries: entries, sectorSize: uint32(sectorSize)}.appendTo(nil))
	return l
}

// Write appends an entry. data must have the entry's Sectors; the entry's Data
// is ignored.
func (l *Writer) Write(e Entry, data []byte) error {
	if e.HasData() && uint64(len(data)) != e.Sectors*l.sectorSize {
		return fmt.Errorf("%s of data for an entry of %s", count.Of(len(data), "byte"), count.Of(e.Sectors, "sector"))
	}
	raw := rawEntry{sector: e.Sector, sectors: e.Sectors, flags: uint64(e.Flags), dataLen: uint64(len(e.Text))}
	l.block(append(raw.appendTo(nil), e.Text...))
	if e.HasData() && l.err == nil {
		_, l.err = l.w.Write(data)
	}
	return l.err
}

// Err returns the first error of all writes.
func (l *Writer) Err() error { return l.err }

// block writes one sector, padded with zeros.
func (l *Writer) block(b []byte) {
	if l.err != nil {
		return
	}
	block := make([]byte, l.sectorSize)
	if copy(block, b) < len(b) {
		l.err = fmt.Errorf("%d bytes do not fit a sector of %d", len(b), l.sectorSize)
		return
	}
	_, l.err = l.w.Write(block)
}
