package crash

import (
	"bytes"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// scripted is an entry with its data, for logs written by tests.
type scripted struct {
	logwrites.Entry
	data []byte
}

func filled(sectorSize uint64, sectors uint64, b byte) []byte {
	return bytes.Repeat([]byte{b}, int(sectors*sectorSize))
}

func logBytes(t testing.TB, sectorSize uint64, entries []scripted) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := logwrites.NewWriter(&buf, sectorSize, uint64(len(entries)))
	for _, e := range entries {
		if err := w.Write(e.Entry, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Err(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func openBytes(t testing.TB, b []byte) *logwrites.Log {
	t.Helper()
	l, err := logwrites.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// few is one entry of every kind.
func few(ss uint64) []scripted {
	return []scripted{
		{logwrites.Entry{Sector: 8, Sectors: 2}, filled(ss, 2, 'a')},
		{logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}, nil},
		{logwrites.Entry{Sector: 16, Sectors: 1, Flags: logwrites.FUA | logwrites.Metadata}, filled(ss, 1, 'b')},
		{logwrites.Entry{Sector: 40, Sectors: 1 << 30, Flags: logwrites.Discard}, nil},
		{logwrites.Entry{Flags: logwrites.Mark, Text: "frozen"}, nil},
		{logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil},
	}
}
