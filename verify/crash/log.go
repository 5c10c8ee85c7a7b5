// The log: reading dm-log-writes' format, version 1, from untrusted bytes.

package crash

import (
	"errors"
	"fmt"
	"io"
	"math"
)

// EndMark is the mark that dm-log-writes appends when it is taken down
// (log_writes_kthread … log_writes_dtr).
const EndMark = "dm-log-writes-end"

// Limits of a log's sector size, in bytes: what Linux takes as a logical block.
const (
	minSectorSize = 512
	maxSectorSize = 64 << 10
)

// ErrNoLog is wrapped by errors about something that is no log at all.
var ErrNoLog = errors.New("not a dm-log-writes log")

// Log is a log that was read: its entries are in memory, their data is not.
type Log struct {
	SectorSize uint64 // bytes
	Entries    []Entry
	// Declared is the number of entries of which the log's super block
	// knows. After a kill it is too small.
	Declared uint64
	// Cut says why reading stopped before the declared end; empty where
	// it did not.
	Cut string

	log io.ReaderAt
}

// Open reads the entries of a log of size bytes. Entries beyond the declared
// number are taken as long as they are what the kernel could have written; the
// log device was zeroed before, so a block of zeros ends the log.
//
// It fails where log is no log or cannot be read. A log that breaks off is
// none of that: see Cut.
func Open(log io.ReaderAt, size uint64) (*Log, error) {
	size = min(size, math.MaxInt64)
	if size < minSectorSize {
		return nil, fmt.Errorf("%d bytes are too few: %w", size, ErrNoLog)
	}
	var block [superSize]byte
	if err := readFull(log, block[:], 0); err != nil {
		return nil, fmt.Errorf("reading the log's super block: %w", err)
	}
	s := decodeSuper(block[:])
	ss := uint64(s.sectorSize)
	switch {
	case s.magic != logMagic:
		return nil, fmt.Errorf("the magic number is %#x, that of a log %#x: %w", s.magic, uint64(logMagic), ErrNoLog)
	case s.version != logVersion:
		return nil, fmt.Errorf("the log's version is %d, the one known here and to the kernel %d: %w", s.version, logVersion, ErrNoLog)
	case ss < minSectorSize || ss > maxSectorSize || ss&(ss-1) != 0:
		return nil, fmt.Errorf("a sector size of %d bytes: %w", ss, ErrNoLog)
	}
	l := &Log{SectorSize: ss, Declared: s.entries, log: log}
	return l, l.scan(size)
}

// scan reads the entries.
func (l *Log) scan(size uint64) error {
	block := make([]byte, l.SectorSize)
	for at := l.SectorSize; ; {
		if size-at < l.SectorSize {
			l.stop("the log device is full or was cut off")
			return nil
		}
		if err := readFull(l.log, block, at); err != nil {
			return fmt.Errorf("reading entry %d of the log: %w", len(l.Entries), err)
		}
		at += l.SectorSize
		e, length, why := l.decode(block, size-at)
		if why != "" {
			l.stop(why)
			return nil
		}
		e.Data = at
		at += length
		l.Entries = append(l.Entries, e)
	}
}

// stop notes why the log ends where it does, if it should not.
func (l *Log) stop(why string) {
	if n := uint64(len(l.Entries)); n < l.Declared {
		l.Cut = fmt.Sprintf("entry %d of %d: %s", n, l.Declared, why)
	}
}

// decode checks the header of an entry against what the kernel writes, and
// gives the bytes of data behind it; why is not empty where it is none.
func (l *Log) decode(block []byte, room uint64) (e Entry, length uint64, why string) {
	raw := decodeRawEntry(block)
	e = Entry{Sector: raw.sector, Sectors: raw.sectors, Flags: Flags(raw.flags)}
	text := uint64(0)
	switch {
	case raw == rawEntry{}:
		return e, 0, "a block of zeros ends the log"
	case e.Flags&^knownFlags != 0:
		return e, 0, fmt.Sprintf("unknown flags %#x", raw.flags)
	case e.Flags&Mark != 0:
		if raw.sectors != 0 || raw.dataLen > l.SectorSize-entrySize {
			return e, 0, "a mark with sectors, or with more text than a block takes"
		}
		text = raw.dataLen
		e.Text = markText(block[entrySize:][:text])
	case raw.dataLen != 0:
		return e, 0, "a data length where only marks have one"
	case raw.sectors == 0 && e.Flags&Flush == 0:
		return e, 0, "a write of nothing"
	case raw.sector+raw.sectors < raw.sector:
		return e, 0, "a write beyond the last sector there can be"
	}
	for _, b := range block[entrySize+text:] {
		if b != 0 {
			return e, 0, "its block holds more than an entry"
		}
	}
	if e.HasData() {
		if raw.sectors > room/l.SectorSize {
			return e, 0, fmt.Sprintf("its %d sectors of data are not there", raw.sectors)
		}
		length = raw.sectors * l.SectorSize
	}
	return e, length, ""
}

// markText is a mark's text without the zero byte that some tools send along.
func markText(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return string(b)
}

// ReadData fills buf, a whole number of sectors, with an entry's data from its
// sector first on.
func (l *Log) ReadData(e Entry, first uint64, buf []byte) error {
	n := uint64(len(buf)) / l.SectorSize
	if !e.HasData() || first > e.Sectors || n > e.Sectors-first {
		return fmt.Errorf("an entry of %d sectors has no data at %d+%d", e.Sectors, first, n)
	}
	return readFull(l.log, buf, e.Data+first*l.SectorSize)
}

// FindMark is the index of the first mark with this text.
func (l *Log) FindMark(text string) (index int, ok bool) {
	for i, e := range l.Entries {
		if e.Flags&Mark != 0 && e.Text == text {
			return i, true
		}
	}
	return 0, false
}

// Complete tells whether the log was taken down in good order: its last entry
// is then the end mark.
func (l *Log) Complete() bool {
	n := len(l.Entries)
	return n > 0 && l.Cut == "" && l.Entries[n-1].Flags&Mark != 0 && l.Entries[n-1].Text == EndMark
}

// Bytes is how much of the log device the log uses.
func (l *Log) Bytes() uint64 {
	n := len(l.Entries)
	if n == 0 {
		return l.SectorSize
	}
	last := l.Entries[n-1]
	if last.HasData() {
		return last.Data + last.Sectors*l.SectorSize
	}
	return last.Data
}

// Warnings says in sentences what should be known before the log is believed.
func (l *Log) Warnings() []string {
	var w []string
	switch n := uint64(len(l.Entries)); {
	case l.Cut != "":
		w = append(w, "the log breaks off at "+l.Cut)
	case n > l.Declared:
		w = append(w, fmt.Sprintf("the log's super block knows of %d entries, %d more were found behind them: the machine died while recording", l.Declared, n-l.Declared))
	case !l.Complete():
		w = append(w, "the log does not end with the mark "+EndMark+": writes that were never flushed may be missing")
	}
	return w
}

// readFull fills buf from offset; a log that ends before is an error.
func readFull(r io.ReaderAt, buf []byte, offset uint64) error {
	n, err := r.ReadAt(buf, int64(offset))
	if n == len(buf) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
