package cow

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestExceptionBytes(t *testing.T) {
	e := Exception{Old: 0x0102030405060708, New: 0x1112131415161718}
	want := []byte{8, 7, 6, 5, 4, 3, 2, 1, 0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11}
	if diff := cmp.Diff(want, e.AppendTo(nil)); diff != "" {
		t.Errorf("bytes (-want +got):\n%s", diff)
	}
	if got := DecodeException(want); got != e {
		t.Errorf("decoded %+v", got)
	}
}

func TestTerminates(t *testing.T) {
	for e, want := range map[Exception]bool{{}: true, {Old: 7}: true, {New: 1}: false, {Old: 0, New: 1 << 63}: false} {
		if e.Terminates() != want {
			t.Errorf("%+v terminates: %v", e, !want)
		}
	}
}

func TestExceptionsPassOverAPartialRecord(t *testing.T) {
	want := []Exception{{1, 2}, {}, {3, 4}}
	var b []byte
	for _, e := range want {
		b = e.AppendTo(b)
	}
	for extra := range ExceptionSize {
		var got []Exception
		for slot, e := range Exceptions(append(b[:len(b):len(b)], make([]byte, extra)...)) {
			if slot != len(got) {
				t.Errorf("slot %d, want %d", slot, len(got))
			}
			got = append(got, e)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d more bytes: exceptions (-want +got):\n%s", extra, diff)
		}
	}
	for range Exceptions(b) {
		break // leaving early is allowed
	}
}

// TestAreaRoundTrip: records encode to the bytes they were decoded from.
func TestAreaRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		area := rapid.SliceOfN(rapid.Byte(), 0, 2048).Draw(t, "area")
		checkAreaRoundTrip(t, area)
	})
}

func FuzzArea(f *testing.F) {
	f.Add([]byte{})
	f.Add(Exception{Old: 17, New: 2}.AppendTo(nil))
	f.Add(bytes.Repeat([]byte{0xff}, 3*ExceptionSize+5))
	f.Fuzz(func(t *testing.T, area []byte) { checkAreaRoundTrip(t, area) })
}

func checkAreaRoundTrip(t interface{ Fatalf(string, ...any) }, area []byte) {
	var again []byte
	for slot, e := range Exceptions(area) {
		if slot*ExceptionSize != len(again) {
			t.Fatalf("slot %d after %d bytes", slot, len(again))
		}
		again = e.AppendTo(again)
	}
	if whole := area[:len(area)/ExceptionSize*ExceptionSize]; !bytes.Equal(again, whole) {
		t.Fatalf("%x came back as %x", whole, again)
	}
}
