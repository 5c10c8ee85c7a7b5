// Scanning: from untrusted bytes to entries.

package logwrites

import (
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Limits of a log's sector size, in bytes: the logical block sizes that Linux
// accepts.
const (
	MinSectorSize = 512
	MaxSectorSize = 64 << 10
)

// MaxMark is how long a mark may be, in bytes, with the smallest blocks: a mark
// shares its block with the header of its entry and a zero byte (drivers/md/
// dm-log-writes.c: log_mark).
const MaxMark = MinSectorSize - entrySize - 2

// Limits of an index, because a log is not trusted: 24 bytes per entry, and the
// texts of marks.
const (
	maxEntries   = 1 << 26
	maxMarkBytes = 16 << 20
	markOverhead = 64 // bytes of memory, besides its text
)

// ErrNoLog is wrapped by errors for input that is not a log.
var ErrNoLog = errors.New("not a dm-log-writes log")

// Open indexes the entries of a log of size bytes. It takes entries past the
// declared number if the kernel could have written them, unless the last one
// declared is the kernel's end mark: a log device is cleared before, so anything
// else ends the log.
//
// It fails if log is not a log (the error then wraps ErrNoLog), cannot be read,
// or needs too large an index. A truncated log is not an error: see Cut.
func Open(log io.ReaderAt, size int64) (*Log, error) {
	if size < MinSectorSize {
		return nil, fmt.Errorf("%s: too few: %w", count.Of(size, "byte"), ErrNoLog)
	}
	var block [superSize]byte
	if err := blockdev.ReadFull(log, block[:], 0); err != nil {
		return nil, fmt.Errorf("reading the log's super block: %w", err)
	}
	s := decodeSuper(block[:])
	ss := uint64(s.sectorSize)
	switch {
	case s.magic != Magic:
		return nil, fmt.Errorf("the magic number is %#x, not %#x: %w", s.magic, uint64(Magic), ErrNoLog)
	case s.version != logVersion:
		return nil, fmt.Errorf("the log's version is %d, not %d, which is the only one known here and to the kernel: %w", s.version, logVersion, ErrNoLog)
	case ss < MinSectorSize || ss > MaxSectorSize || ss&(ss-1) != 0:
		return nil, fmt.Errorf("a sector size of %s: %w", count.Of(ss, "byte"), ErrNoLog)
	}
	l := &Log{SectorSize: ss, Declared: s.entries, marks: map[int]string{}, log: log}
	return l, l.scan(uint64(size))
}

// scan indexes the entries.
func (l *Log) scan(size uint64) error {
	block := make([]byte, l.SectorSize)
	marks := 0 // bytes
	for at := l.SectorSize; ; {
		if at > size || size-at < l.SectorSize {
			l.stop("the log device is full or was cut off")
			return nil
		}
		if err := blockdev.ReadFull(l.log, block, int64(at)); err != nil {
			return fmt.Errorf("reading entry %d of the log: %w", l.Len(), err)
		}
		at += l.SectorSize
		e, length, why := l.decode(block, size-at)
		if why != "" {
			l.stop(why)
			return nil
		}
		e.Data = at
		at += length
		if e.Flags&Mark != 0 {
			marks += len(e.Text) + markOverhead
			l.marks[l.Len()] = e.Text
		}
		if marks > maxMarkBytes || l.Len() == maxEntries {
			return fmt.Errorf("entry %d of the log: an index of more than %d entries, or of more than %d bytes of marks, takes too much memory", l.Len(), maxEntries, maxMarkBytes)
		}
		l.index.add(e, l.SectorSize)
		if l.ended() {
			return nil
		}
	}
}

// ended reports whether the last entry is the one that the kernel ended the log
// with: what follows was there before.
func (l *Log) ended() bool { return uint64(l.Len()) == l.Declared && l.Complete() }

// stop records why the log ends, if it should not end there.
func (l *Log) stop(why string) {
	if n := uint64(l.Len()); n < l.Declared {
		l.Cut = fmt.Sprintf("entry %d of %d: %s", n, l.Declared, why)
	}
}

// CouldHoldEntries reports whether a reader could take a block in b for an
// entry, for any sector size of the log. b begins at a multiple of 512 bytes.
func CouldHoldEntries(b []byte) bool {
	few := Log{SectorSize: MinSectorSize}
	for ; len(b) >= MinSectorSize; b = b[MinSectorSize:] {
		raw := decodeRawEntry(b)
		if Flags(raw.flags)&^knownFlags != 0 {
			continue
		}
		if Flags(raw.flags)&Mark != 0 && raw.sectors == 0 && raw.dataLen <= MaxSectorSize-entrySize {
			return true // its text may fill larger sectors
		}
		if _, _, why := few.decode(b[:MinSectorSize], math.MaxInt64); why == "" {
			return true
		}
	}
	return false
}

// decode checks the header of an entry against what the kernel writes, and
// returns the length of its data in bytes. A nonempty why means that it is not
// an entry.
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
			return e, 0, "a mark with sectors, or with more text than fits in a block"
		}
		text = raw.dataLen
		e.Text = markText(block[entrySize:][:text])
	case raw.dataLen != 0:
		return e, 0, "a data length where only marks have one"
	case raw.sectors == 0 && e.Flags&Flush == 0:
		return e, 0, "a write of nothing"
	case raw.sector+raw.sectors < raw.sector:
		return e, 0, "a write beyond the last possible sector"
	}
	for _, b := range block[entrySize+text:] {
		if b != 0 {
			return e, 0, "its block holds more than an entry"
		}
	}
	if e.HasData() {
		if raw.sectors > room/l.SectorSize {
			return e, 0, fmt.Sprintf("its data is missing (%s)", count.Of(raw.sectors, "sector"))
		}
		length = raw.sectors * l.SectorSize
	}
	return e, length, ""
}

// markText is a mark's text without the zero byte that some tools add.
func markText(b []byte) string {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return string(b)
}
