package logwrites

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// scripted is an entry with its data, for logs written by tests.
type scripted struct {
	Entry
	data []byte
}

func filled(sectorSize uint64, sectors uint64, b byte) []byte {
	return bytes.Repeat([]byte{b}, int(sectors*sectorSize))
}

func logBytes(t testing.TB, sectorSize uint64, entries []scripted) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := NewWriter(&buf, sectorSize, uint64(len(entries)))
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

func openBytes(t testing.TB, b []byte) *Log {
	t.Helper()
	l, err := Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func entriesOf(l *Log) []Entry {
	var all []Entry
	for _, e := range l.Entries() {
		all = append(all, e)
	}
	return all
}

// few is one entry of every kind.
func few(ss uint64) []scripted {
	return []scripted{
		{Entry{Sector: 8, Sectors: 2}, filled(ss, 2, 'a')},
		{Entry{Flags: Flush | FUA}, nil},
		{Entry{Sector: 16, Sectors: 1, Flags: FUA | Metadata}, filled(ss, 1, 'b')},
		{Entry{Sector: 40, Sectors: 1 << 30, Flags: Discard}, nil},
		{Entry{Flags: Mark, Text: "frozen"}, nil},
		{Entry{Flags: Mark, Text: EndMark}, nil},
	}
}

func TestReadsWhatWasWritten(t *testing.T) {
	for _, ss := range []uint64{512, 1024, 4096, 65536} {
		l := openBytes(t, logBytes(t, ss, few(ss)))
		var want []Entry
		for _, e := range few(ss) {
			want = append(want, e.Entry)
		}
		if diff := cmp.Diff(want, entriesOf(l), cmpopts.IgnoreFields(Entry{}, "Data")); diff != "" {
			t.Errorf("sectors of %d: entries (-want +got):\n%s", ss, diff)
		}
		if !l.Complete() || len(l.Warnings()) != 0 {
			t.Errorf("sectors of %d: complete %t, warnings %q", ss, l.Complete(), l.Warnings())
		}
		data := make([]byte, ss)
		if err := l.ReadData(l.Entry(0), 1, data); err != nil || data[0] != 'a' {
			t.Errorf("sectors of %d: data starts with %q, error %v", ss, data[0], err)
		}
		if i, ok := l.FindMark("frozen"); i != 4 || !ok {
			t.Errorf("the mark is entry %d, %t", i, ok)
		}
		if err := l.ReadData(l.Entry(0), 2, data); err == nil {
			t.Error("data behind an entry's end was read")
		}
	}
}

// TestKilledLogIsScannedOn: the super block's count is old after a kill.
func TestKilledLogIsScannedOn(t *testing.T) {
	b := logBytes(t, 512, few(512)[:4])
	b[16] = 1 // the number of entries
	b = append(b, make([]byte, 4096)...)
	l := openBytes(t, b)
	if l.Len() != 4 || l.Cut != "" || l.Declared != 1 || len(l.Warnings()) != 1 {
		t.Errorf("%d entries, declared %d, cut %q, warnings %q", l.Len(), l.Declared, l.Cut, l.Warnings())
	}
	if got, want := l.Warnings()[0], "declares 1 entry, but 3 more follow"; !strings.Contains(got, want) {
		t.Errorf("%q, want %q in it", got, want)
	}
}

// TestBrokenLogs: a truncated log is read as far as it goes.
func TestBrokenLogs(t *testing.T) {
	const ss = 512
	entry1 := 512 + 512 + 2*512 // the place of the header of entry 1
	for name, c := range map[string]struct {
		change  func([]byte) []byte
		entries int
	}{
		"header cut off":       {func(b []byte) []byte { return b[:entry1+100] }, 1},
		"data cut off":         {func(b []byte) []byte { return b[:512+512+100] }, 0},
		"unknown flags":        {func(b []byte) []byte { b[entry1+16] = 0x80; return b }, 1},
		"garbage in the block": {func(b []byte) []byte { b[entry1+200] = 1; return b }, 1},
		"zeros":                {func(b []byte) []byte { clear(b[entry1:]); return b }, 1},
		"endless data":         {func(b []byte) []byte { b[512+15] = 0xff; return b }, 0},
		"places that wrap": {func(b []byte) []byte {
			copy(b[512:], bytes.Repeat([]byte{0xff}, 8))
			return b
		}, 0},
		"a write of nothing": {func(b []byte) []byte { b[entry1+16] = 0; b[entry1] = 1; return b }, 1},
		"a mark too long":    {func(b []byte) []byte { b[entry1+16], b[entry1+25] = 8, 9; return b }, 1},
		"length of no mark":  {func(b []byte) []byte { b[entry1+24] = 9; return b }, 1},
	} {
		l := openBytes(t, c.change(logBytes(t, ss, few(ss))))
		if l.Len() != c.entries || l.Cut == "" || len(l.Warnings()) == 0 {
			t.Errorf("%s: %d entries, want %d; cut %q", name, l.Len(), c.entries, l.Cut)
		}
	}
}

func TestNoLog(t *testing.T) {
	for name, change := range map[string]func([]byte) []byte{
		"empty":       func(b []byte) []byte { return nil },
		"magic":       func(b []byte) []byte { b[0]++; return b },
		"version":     func(b []byte) []byte { b[8]++; return b },
		"sector size": func(b []byte) []byte { b[24] = 1; return b },
		"huge sector": func(b []byte) []byte { b[27] = 1; return b },
	} {
		b := change(logBytes(t, 512, few(512)))
		if _, err := Open(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrNoLog) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(logBytes(f, 512, few(512)))
	f.Add(logBytes(f, 4096, few(4096)[1:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if n := uint64(l.Len()); n*l.SectorSize > uint64(len(b)) {
			t.Errorf("%d entries in %d bytes", n, len(b))
		}
		buf := make([]byte, l.SectorSize)
		for i, e := range l.Entries() {
			if e.HasData() {
				if err := l.ReadData(e, e.Sectors-1, buf); err != nil {
					t.Errorf("entry %d (%v): %v", i, e, err)
				}
			}
		}
	})
}

// TestIndexOfManyEntries: pages of the index contain what was written, and a
// log takes no more memory than its index.
func TestIndexOfManyEntries(t *testing.T) {
	const n = 3*indexPage + 7
	var buf bytes.Buffer
	w := NewWriter(&buf, 512, n)
	for i := range uint64(n) {
		e := Entry{Sector: i << 20, Sectors: i % 3, Flags: Flush}
		if i%5 == 4 {
			e = Entry{Flags: Mark, Text: "mark"}
		}
		if err := w.Write(e, make([]byte, e.Sectors*512)); err != nil {
			t.Fatal(err)
		}
	}
	l := openBytes(t, buf.Bytes())
	if l.Len() != n {
		t.Fatalf("%d entries, want %d", l.Len(), n)
	}
	at := uint64(512)
	for i, e := range l.Entries() {
		at += 512
		want := Entry{Sector: uint64(i) << 20, Sectors: uint64(i) % 3, Flags: Flush, Data: at}
		if i%5 == 4 {
			want = Entry{Flags: Mark, Text: "mark", Data: at}
		}
		if e != want {
			t.Fatalf("entry %d is %+v, want %+v", i, e, want)
		}
		at += e.Sectors * 512
	}
}

// TestTooManyMarks: a log whose marks would fill memory is refused.
func TestTooManyMarks(t *testing.T) {
	const ss = 64 << 10
	var buf bytes.Buffer
	w := NewWriter(&buf, ss, 300)
	text := string(filled(1, ss-100, 'm'))
	for range 300 {
		if err := w.Write(Entry{Flags: Mark, Text: text}, nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(bytes.NewReader(buf.Bytes()), int64(buf.Len())); err == nil || errors.Is(err, ErrNoLog) {
		t.Errorf("%d bytes of marks: error %v", 300*len(text), err)
	}
}

// TestOldEntriesBehindTheEnd: a log that the kernel has ended is not read
// further, even if entries of an older log follow directly.
func TestOldEntriesBehindTheEnd(t *testing.T) {
	whole := logBytes(t, 512, few(512))
	l := openBytes(t, append(whole, logBytes(t, 512, few(512))[512:]...))
	if l.Len() != len(few(512)) || !l.Complete() || len(l.Warnings()) != 0 || l.Bytes() != int64(len(whole)) {
		t.Errorf("%d entries in %d bytes, complete %t, warnings %q", l.Len(), l.Bytes(), l.Complete(), l.Warnings())
	}
}

// TestCouldHoldEntries: an entry of any sector size is noticed, wherever it
// begins. Data and zeros are not taken for entries.
func TestCouldHoldEntries(t *testing.T) {
	for _, ss := range []uint64{512, 4096, 65536} {
		long := scripted{Entry{Flags: Mark, Text: string(filled(1, min(ss-entrySize, 4000), 'x'))}, nil}
		for _, e := range append(few(ss), long) {
			header := logBytes(t, ss, []scripted{e})[ss:][:ss]
			before := filled(512, 3, 'd')
			if !CouldHoldEntries(append(before, header...)) {
				t.Errorf("sectors of %d: %v hides", ss, e.Entry)
			}
		}
	}
	for name, b := range map[string][]byte{"zeros": make([]byte, 4096), "data": filled(512, 8, 'd'), "nothing": nil} {
		if CouldHoldEntries(b) {
			t.Errorf("%s could hold entries", name)
		}
	}
}
