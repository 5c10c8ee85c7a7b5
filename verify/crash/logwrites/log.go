// The log: its index, and access to entries and their data.

package logwrites

import (
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// EndMark is the mark that dm-log-writes appends when it is taken down
// (log_writes_kthread, log_writes_dtr).
const EndMark = "dm-log-writes-end"

// Log is an indexed log. It is safe for concurrent use if its reader is.
type Log struct {
	SectorSize uint64 // bytes
	// Declared is the number of entries in the log's super block. It is too
	// small after a kill.
	Declared uint64
	// Cut says why reading stopped before the declared end; empty if it did
	// not.
	Cut string

	index index
	marks map[int]string // texts of marks, by entry
	log   io.ReaderAt
}

// Len returns the number of entries.
func (l *Log) Len() int { return l.index.len }

// Entry returns entry i. Like a slice, it panics if i is out of range.
func (l *Log) Entry(i int) Entry {
	e := l.index.at(i, l.SectorSize)
	if e.Flags&Mark != 0 {
		e.Text = l.marks[i]
	}
	return e
}

// Entries yields all entries, in the order of the log.
func (l *Log) Entries() iter.Seq2[int, Entry] {
	return func(yield func(int, Entry) bool) {
		for i := range l.Len() {
			if !yield(i, l.Entry(i)) {
				return
			}
		}
	}
}

// ReadData fills buf, a whole number of sectors, with an entry's data from
// sector first on. It fails if the entry has less data.
func (l *Log) ReadData(e Entry, first uint64, buf []byte) error {
	n := uint64(len(buf)) / l.SectorSize
	if !e.HasData() || first > e.Sectors || n > e.Sectors-first {
		return fmt.Errorf("an entry of %s has no data at %d+%d", count.Of(e.Sectors, "sector"), first, n)
	}
	return blockdev.ReadFull(l.log, buf, int64(e.Data+first*l.SectorSize))
}

// FindMark returns the index of the first mark with this text.
func (l *Log) FindMark(text string) (index int, ok bool) {
	for i, e := range l.Entries() {
		if e.Flags&Mark != 0 && e.Text == text {
			return i, true
		}
	}
	return 0, false
}

// Marks returns the texts of all marks, in the order of the log.
func (l *Log) Marks() []string {
	var texts []string
	for _, e := range l.Entries() {
		if e.Flags&Mark != 0 {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// Complete reports whether the log was taken down properly: its last entry is
// then the end mark.
func (l *Log) Complete() bool {
	n := l.Len()
	return n > 0 && l.Cut == "" && l.Entry(n-1).Flags&Mark != 0 && l.Entry(n-1).Text == EndMark
}

// Bytes returns how many bytes of the log device the log uses.
func (l *Log) Bytes() int64 {
	n := l.Len()
	if n == 0 {
		return int64(l.SectorSize)
	}
	last := l.Entry(n - 1)
	if last.HasData() {
		return int64(last.Data + last.Sectors*l.SectorSize)
	}
	return int64(last.Data)
}

// Warnings says in sentences what to know before trusting the log.
func (l *Log) Warnings() []string {
	var w []string
	switch n := uint64(l.Len()); {
	case l.Cut != "":
		w = append(w, "the log breaks off at "+l.Cut)
	case n > l.Declared:
		w = append(w, fmt.Sprintf("the log's super block declares %s, but %d more follow: the machine died while recording", count.Of(l.Declared, "entry", "entries"), n-l.Declared))
	case !l.Complete():
		w = append(w, "the log does not end with the mark "+EndMark+": writes that were never flushed may be missing")
	}
	return w
}
