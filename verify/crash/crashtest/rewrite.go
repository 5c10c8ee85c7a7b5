package crashtest

import (
	"bytes"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Entry is an entry of a log with its data.
type Entry struct {
	logwrites.Entry
	Data []byte
}

// Rewrite returns a log with the entries that change makes of those of l.
func Rewrite(l *logwrites.Log, change func([]Entry) []Entry) ([]byte, error) {
	entries := make([]Entry, 0, l.Len())
	for _, e := range l.Entries() {
		entry := Entry{Entry: e}
		if e.HasData() {
			entry.Data = make([]byte, e.Sectors*l.SectorSize)
			if err := l.ReadData(e, 0, entry.Data); err != nil {
				return nil, err
			}
		}
		entries = append(entries, entry)
	}
	entries = change(entries)
	var b bytes.Buffer
	w := logwrites.NewWriter(&b, l.SectorSize, uint64(len(entries)))
	for _, e := range entries {
		if err := w.Write(e.Entry, e.Data); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), w.Err()
}
