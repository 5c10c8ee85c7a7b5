// Entries: what dm-log-writes logged, one request each.

package logwrites

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Flags are the flags of an entry (LOG_*_FLAG in the kernel's dm-log-writes.c).
type Flags uint64

// The flags.
const (
	Flush Flags = 1 << iota
	FUA
	Discard
	Mark
	Metadata

	knownFlags = Metadata<<1 - 1
)

var flagNames = []string{"FLUSH", "FUA", "DISCARD", "MARK", "METADATA"}

// String returns the names of the flags, joined by "|", or "WRITE" if there are
// none.
func (f Flags) String() string {
	var names []string
	for i, name := range flagNames {
		if f&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return "WRITE"
	}
	return strings.Join(names, "|")
}

// Entry is one logged request. Places are in sectors of the log, which are the
// logical blocks of the logged device.
type Entry struct {
	Sector  uint64
	Sectors uint64
	Flags   Flags
	// Data is the byte offset in the log of the entry's Sectors of data.
	// Discards and marks have none.
	Data uint64
	// Text is the text of a mark.
	Text string
}

// HasData reports whether the log holds data for the entry.
func (e Entry) HasData() bool { return e.Sectors > 0 && e.Flags&Discard == 0 }

// Writes reports whether the entry changes blocks of the device.
func (e Entry) Writes() bool { return e.Sectors > 0 && e.Flags&Mark == 0 }

func (e Entry) String() string {
	switch {
	case e.Flags&Mark != 0:
		return fmt.Sprintf("MARK %q", e.Text)
	case e.Sectors == 0:
		return e.Flags.String()
	}
	return fmt.Sprintf("%v %d+%d", e.Flags, e.Sector, e.Sectors)
}

// Layout of the log, version 1 (struct log_write_super and log_write_entry).
const (
	Magic = 0x6a736677736872 // the first 8 bytes of a log, little-endian

	logVersion = 1

	superSize = 28 // bytes in use of the super block
	entrySize = 32 // bytes of an entry's header; a mark's text follows
)

// super is the log's first block.
type super struct {
	magic, version, entries uint64
	sectorSize              uint32
}

func decodeSuper(b []byte) super {
	_ = b[superSize-1]
	return super{
		magic:      binary.LittleEndian.Uint64(b[0:]),
		version:    binary.LittleEndian.Uint64(b[8:]),
		entries:    binary.LittleEndian.Uint64(b[16:]),
		sectorSize: binary.LittleEndian.Uint32(b[24:]),
	}
}

func (s super) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, s.magic)
	b = binary.LittleEndian.AppendUint64(b, s.version)
	b = binary.LittleEndian.AppendUint64(b, s.entries)
	return binary.LittleEndian.AppendUint32(b, s.sectorSize)
}

// rawEntry is an entry's header as found in the log.
type rawEntry struct {
	sector, sectors, flags, dataLen uint64
}

func decodeRawEntry(b []byte) rawEntry {
	_ = b[entrySize-1]
	return rawEntry{
		sector:  binary.LittleEndian.Uint64(b[0:]),
		sectors: binary.LittleEndian.Uint64(b[8:]),
		flags:   binary.LittleEndian.Uint64(b[16:]),
		dataLen: binary.LittleEndian.Uint64(b[24:]),
	}
}

func (r rawEntry) appendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, r.sector)
	b = binary.LittleEndian.AppendUint64(b, r.sectors)
	b = binary.LittleEndian.AppendUint64(b, r.flags)
	return binary.LittleEndian.AppendUint64(b, r.dataLen)
}
