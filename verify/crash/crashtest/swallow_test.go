package crashtest

import (
	"bytes"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// TestSwallow: flushes before the mark and those of commits stay.
func TestSwallow(t *testing.T) {
	flush := logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}
	fua := func(sector uint64) logwrites.Entry {
		return logwrites.Entry{Sector: sector, Sectors: 1, Flags: logwrites.FUA}
	}
	entries := []logwrites.Entry{
		flush,
		{Flags: logwrites.Mark, Text: "frozen"},
		{Sector: 3, Sectors: 1},
		flush, // swallowed: before plain writes
		{Sector: 4, Sectors: 1},
		flush, fua(100 + 8), // the commit of area 0
		flush, fua(100 + 16), // swallowed: data in the store
		flush, fua(5), // swallowed: the origin
		flush, fua(5), fua(100 + 8*258), // the commit of area 1, beside a write
		flush, // swallowed: the last one
		{Flags: logwrites.Mark, Text: logwrites.EndMark},
	}
	var b bytes.Buffer
	w := logwrites.NewWriter(&b, 512, uint64(len(entries)))
	for i, e := range entries {
		if err := w.Write(e, bytes.Repeat([]byte{byte(i)}, int(e.Sectors)*512)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := logwrites.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	rewritten, dropped, err := Swallow(l, "frozen", 100, 8)
	if err != nil || dropped != 4 {
		t.Fatalf("%d dropped, %v", dropped, err)
	}
	left, err := logwrites.Open(bytes.NewReader(rewritten), int64(len(rewritten)))
	if err != nil || !left.Complete() {
		t.Fatalf("complete: %v, %v", left.Complete(), err)
	}
	var places []int // the entries that are left, by what was written
	for i, e := range left.Entries() {
		data := make([]byte, 512)
		if e.HasData() {
			if err := left.ReadData(e, 0, data); err != nil {
				t.Fatal(err)
			}
			places = append(places, int(data[0]))
		}
		if e.Flags&logwrites.Flush != 0 {
			places = append(places, -i)
		}
	}
	if want := []int{0, 2, 4, -4, 6, 8, 10, -8, 12, 13}; !slices.Equal(places, want) {
		t.Errorf("left are %v, want %v", places, want)
	}
}
