package mend

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// DumpSchema is the schema in a dump's first line.
const DumpSchema = "dmsnapctl.dump/1"

// DumpPasses is how often Dump reads a store's list: to count, and to write.
const DumpPasses = 2

// DumpHeader is the first line of a dump. One line per record follows.
type DumpHeader struct {
	Schema       string      `json:"schema"`
	Magic        string      `json:"magic"`
	Valid        uint32      `json:"valid"`
	Version      uint32      `json:"version"`
	ChunkSectors cow.Sectors `json:"chunk_sectors"`
	SizeBytes    int64       `json:"size_bytes"` // of the store's device
	Exceptions   uint64      `json:"exceptions"`
	Stale        uint64      `json:"stale"` // records after the list, in its last area
}

// dumpRecord is a line of a dump.
type dumpRecord struct {
	Area  uint64    `json:"area"`
	Slot  uint64    `json:"slot"`
	Old   cow.Chunk `json:"old"`
	New   cow.Chunk `json:"new"`
	Stale bool      `json:"stale"`
}

// Dump writes a store's header and records as JSON lines: all of its metadata
// and none of its data. It writes everything it can read; areas that it cannot
// read become its error.
func Dump(ctx context.Context, dev io.ReaderAt, size int64, w io.Writer) error {
	st, err := store.Open(dev, size)
	if err != nil {
		return err
	}
	header := st.Header()
	h := DumpHeader{
		Schema: DumpSchema, Magic: fmt.Sprintf("%#08x", header.Magic), Valid: header.Valid, Version: header.Version,
		ChunkSectors: header.ChunkSectors(), SizeBytes: size,
	}
	// The counts come first, so that a truncated dump is recognised.
	list := uint64(0)
	err = dumpRecords(ctx, st, dev, 1<<63, func(r dumpRecord) error {
		if r.Stale {
			h.Stale++
		} else {
			list++
		}
		return nil
	})
	h.Exceptions = list
	if errRead := Undumped(err); errRead != nil {
		return errRead
	}
	line, errLine := json.Marshal(h)
	if errLine != nil {
		return errLine
	}
	out := bufio.NewWriterSize(w, 64<<10)
	if _, err := out.Write(append(line, '\n')); err != nil {
		return err
	}
	var buf []byte
	err = dumpRecords(ctx, st, dev, list, func(r dumpRecord) error {
		buf = r.appendTo(buf[:0])
		_, err := out.Write(buf)
		return err
	})
	return errors.Join(err, out.Flush())
}

// Undumped returns the error of a dump, or nil if it only says that an area
// cannot be read: the rest is dumped.
func Undumped(err error) error {
	var read *store.ReadError
	if errors.As(err, &read) || errors.Is(err, store.ErrTruncated) {
		return nil
	}
	return err
}

func (r dumpRecord) appendTo(b []byte) []byte {
	b = strconv.AppendUint(append(b, `{"area":`...), r.Area, 10)
	b = strconv.AppendUint(append(b, `,"slot":`...), r.Slot, 10)
	b = strconv.AppendUint(append(b, `,"old":`...), uint64(r.Old), 10)
	b = strconv.AppendUint(append(b, `,"new":`...), uint64(r.New), 10)
	if r.Stale {
		b = append(b, `,"stale":true`...)
	}
	return append(b, "}\n"...)
}

// dumpRecords passes on at most most records of the list, and the nonzero ones
// after it. The error of an unreadable area comes last.
func dumpRecords(ctx context.Context, st *store.Store, dev io.ReaderAt, most uint64, take func(dumpRecord) error) error {
	var unread, failed error
	n := uint64(0)
	end, err := st.Pieces(ctx, 0, func(p store.Piece) bool {
		if p.Err != nil {
			unread = errors.Join(unread, p.Err)
			return true
		}
		for i, e := range cow.Exceptions(p.Records) {
			if n == most { // a live list has grown
				return false
			}
			n++
			if failed = take(dumpRecord{Area: p.Area, Slot: p.Slot + uint64(i), Old: e.Old, New: e.New}); failed != nil {
				return false
			}
		}
		failed = dumpBehind(st, dev, p, take)
		return failed == nil
	})
	if failed == nil && err == nil && end.How == store.DeviceEnd {
		unread = errors.Join(unread, store.ErrTruncated)
	}
	return errors.Join(failed, err, unread)
}

// dumpBehind passes on the records after the list in a piece, and the
// terminator if its Old is not zero.
func dumpBehind(st *store.Store, dev io.ReaderAt, p store.Piece, take func(dumpRecord) error) error {
	slot := p.Slot + uint64(len(p.Records))/cow.ExceptionSize
	if p.BehindSlot == slot+1 {
		var b [cow.ExceptionSize]byte
		if err := readFull(dev, b[:], int64(st.Geometry().RecordOffset(p.Area, slot))); err != nil {
			return err
		}
		if e := cow.DecodeException(b[:]); e != (cow.Exception{}) {
			if err := take(dumpRecord{Area: p.Area, Slot: slot, Old: e.Old, New: e.New, Stale: true}); err != nil {
				return err
			}
		}
	}
	for i, e := range cow.Exceptions(p.Behind) {
		if e == (cow.Exception{}) {
			continue
		}
		if err := take(dumpRecord{Area: p.Area, Slot: p.BehindSlot + uint64(i), Old: e.Old, New: e.New, Stale: true}); err != nil {
			return err
		}
	}
	return nil
}

// ErrNotDump says that the input is not a dump, or not all of one.
var ErrNotDump = errors.New("not a complete dump")

// mostLine is the longest line in a dump, in bytes.
const mostLine = 4096

// readDump reads a dump. The records must come in order and match the counts in
// the first line: a dump is trusted no more than a store.
func readDump(r io.Reader) (DumpHeader, iter.Seq2[dumpRecord, error], error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, mostLine), mostLine)
	var h DumpHeader
	switch {
	case lines.Scan():
	case errors.Is(lines.Err(), bufio.ErrTooLong):
		return h, nil, fmt.Errorf("%w: its first line is not the header of a dump", ErrNotDump)
	default:
		return h, nil, fmt.Errorf("%w: it is empty or unreadable: %w", ErrNotDump, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
	}
	if err := json.Unmarshal(lines.Bytes(), &h); err != nil || h.Schema != DumpSchema {
		return h, nil, fmt.Errorf("%w: its first line is not the header of a dump", ErrNotDump)
	}
	g, err := cow.NewGeometry(h.ChunkSectors)
	if err != nil {
		return h, nil, fmt.Errorf("%w: its header has a %w", ErrNotDump, err)
	}
	if h.SizeBytes <= 0 {
		return h, nil, fmt.Errorf("%w: its header has a store of %d bytes", ErrNotDump, h.SizeBytes)
	}
	return h, func(yield func(dumpRecord, error) bool) {
		check := dumpCheck{header: h, perArea: g.ExceptionsPerArea()}
		for lines.Scan() {
			var d dumpRecord
			if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
				yield(d, fmt.Errorf("%w: line %d: %w", ErrNotDump, check.records()+2, err))
				return
			}
			if err := check.take(d); err != nil {
				yield(d, err)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
		if errors.Is(lines.Err(), bufio.ErrTooLong) {
			yield(dumpRecord{}, fmt.Errorf("%w: line %d is longer than a record", ErrNotDump, check.records()+2))
		} else if err := errors.Join(lines.Err(), check.end()); err != nil {
			yield(dumpRecord{}, err)
		}
	}, nil
}

// dumpCheck checks that records come as in a store.
type dumpCheck struct {
	header      DumpHeader
	perArea     uint64
	list, stale uint64
	slot        uint64 // of the previous record, if it was stale
}

func (c *dumpCheck) records() uint64 { return c.list + c.stale }

func (c *dumpCheck) take(d dumpRecord) error {
	wrong := func(why string) error {
		return fmt.Errorf("%w: line %d: %s", ErrNotDump, c.records()+2, why)
	}
	area, slot := c.list/c.perArea, c.list%c.perArea // of the next exception
	switch {
	case d.Slot >= c.perArea:
		return wrong("the slot is out of range")
	case !d.Stale && (c.stale > 0 || d.Area != area || d.Slot != slot || d.New == 0):
		return wrong("the exception does not follow the previous one")
	case d.Stale && (d.Area != area || d.Slot < slot || c.stale > 0 && d.Slot <= c.slot):
		return wrong("the record does not lie after the list")
	case d.Stale && d.Slot == slot && d.New != 0:
		return wrong("the record does not end the list")
	}
	if d.Stale {
		c.stale, c.slot = c.stale+1, d.Slot
	} else {
		c.list++
	}
	return nil
}

func (c *dumpCheck) end() error {
	if c.list != c.header.Exceptions || c.stale != c.header.Stale {
		return fmt.Errorf("%w: it has %s and %s, not %d and %d", ErrNotDump, count.Of(c.list, "exception"), count.Of(c.stale, "other record"), c.header.Exceptions, c.header.Stale)
	}
	return nil
}

// header is the store's header that a dump describes.
func (h DumpHeader) header() (cow.Header, error) {
	magic, err := strconv.ParseUint(h.Magic, 0, 32)
	if err != nil || uint32(magic) != cow.Magic {
		return cow.Header{}, fmt.Errorf("%w: the magic number is %q", ErrNotDump, h.Magic)
	}
	return cow.Header{Magic: cow.Magic, Valid: h.Valid, Version: h.Version, ChunkSize: uint32(h.ChunkSectors)}, nil
}

// encode is a record in its on-disk form.
func (r dumpRecord) encode() []byte {
	b := make([]byte, 0, cow.ExceptionSize)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Old))
	return binary.LittleEndian.AppendUint64(b, uint64(r.New))
}
