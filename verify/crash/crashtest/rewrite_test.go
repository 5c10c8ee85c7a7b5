package crashtest

import (
	"bytes"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// TestRewrite: what is not changed is the same, byte for byte, and a change is
// in the new log only.
func TestRewrite(t *testing.T) {
	var b bytes.Buffer
	w := logwrites.NewWriter(&b, 512, 3)
	for _, e := range []Entry{
		{logwrites.Entry{Sector: 4, Sectors: 2}, bytes.Repeat([]byte{7}, 1024)},
		{logwrites.Entry{Sector: 9, Sectors: 50, Flags: logwrites.Discard}, nil},
		{logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil},
	} {
		if err := w.Write(e.Entry, e.Data); err != nil {
			t.Fatal(err)
		}
	}
	l, err := logwrites.Open(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	same, err := Rewrite(l, func(e []Entry) []Entry { return e })
	if err != nil || !bytes.Equal(same, b.Bytes()) {
		t.Errorf("a log without a change is another one: %v", err)
	}
	other, err := Rewrite(l, func(e []Entry) []Entry {
		e[0].Data[100] = 8
		return e[:2]
	})
	if err != nil {
		t.Fatal(err)
	}
	changed, err := logwrites.Open(bytes.NewReader(other), int64(len(other)))
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 1024)
	if err := changed.ReadData(changed.Entry(0), 0, data); err != nil {
		t.Fatal(err)
	}
	if changed.Len() != 2 || data[100] != 8 || data[99] != 7 {
		t.Errorf("%d entries, data %d %d", changed.Len(), data[99], data[100])
	}
}
