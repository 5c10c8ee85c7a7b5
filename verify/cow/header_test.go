package cow

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestDecodeHeader(t *testing.T) {
	tests := []struct {
		name, bytes string
		want        Header
	}{
		{"as the kernel writes it", "536e4170" + "01000000" + "01000000" + "08000000", NewHeader(8)},
		{"invalidated", "536e4170" + "00000000" + "01000000" + "00040000", Header{Magic: Magic, Version: 1, ChunkSize: 1024}},
		{"fresh", "00000000" + "00000000" + "00000000" + "00000000", Header{}},
		{"all ones, and more bytes behind", "ffffffff" + "ffffffff" + "ffffffff" + "ffffffff" + "0011",
			Header{Magic: 1<<32 - 1, Valid: 1<<32 - 1, Version: 1<<32 - 1, ChunkSize: 1<<32 - 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := hex.DecodeString(tt.bytes)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeHeader(b)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if again := got.AppendTo(nil); !bytes.Equal(again, b[:HeaderSize]) {
				t.Errorf("encoded again: %x, was %x", again, b)
			}
		})
	}
}

func TestDecodeHeaderTooShort(t *testing.T) {
	for n := range HeaderSize {
		if h, err := DecodeHeader(make([]byte, n)); err == nil {
			t.Errorf("%d bytes make the header %+v", n, h)
		}
	}
}

func TestCheckChunkSize(t *testing.T) {
	good := map[Sectors]bool{0: false, 1: true, 2: true, 3: false, 7: false, 8: true, 9: false, 1024: true, 1<<22 - 1: false, 1 << 22: false, 1 << 21: true, 1<<32 - 1: false, 1 << 63: false}
	for size, want := range good {
		err := CheckChunkSize(size)
		if (err == nil) != want {
			t.Errorf("CheckChunkSize(%d) = %v, want good %v", size, err, want)
		}
		if _, errNew := NewGeometry(size); (errNew == nil) != want {
			t.Errorf("NewGeometry(%d): %v, want good %v", size, errNew, want)
		}
	}
	if MaxChunkSize != 4194303 {
		t.Errorf("MaxChunkSize is %d", MaxChunkSize)
	}
}

// TestHeaderRoundTrip: what was decoded encodes to the same bytes, and what
// was encoded decodes to the same header.
func TestHeaderRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{
			Magic: rapid.Uint32().Draw(t, "magic"), Valid: rapid.Uint32().Draw(t, "valid"),
			Version: rapid.Uint32().Draw(t, "version"), ChunkSize: rapid.Uint32().Draw(t, "chunk"),
		}
		got, err := DecodeHeader(h.AppendTo(nil))
		if err != nil || got != h {
			t.Fatalf("%+v came back as %+v, %v", h, got, err)
		}
	})
}

func FuzzHeader(f *testing.F) {
	f.Add([]byte{})
	f.Add(NewHeader(8).AppendTo(nil))
	f.Add(Header{Magic: Magic, Version: 1, ChunkSize: 1 << 31}.AppendTo(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := DecodeHeader(b)
		if (err == nil) != (len(b) >= HeaderSize) {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			return
		}
		if again := h.AppendTo(nil); !bytes.Equal(again, b[:HeaderSize]) {
			t.Fatalf("%x encodes again as %x", b[:HeaderSize], again)
		}
		if g, err := NewGeometry(h.ChunkSectors()); err == nil && int64(g.ExceptionsPerArea()*ExceptionSize) != g.ChunkBytes() {
			t.Fatalf("%d exceptions do not fill a chunk of %d bytes", g.ExceptionsPerArea(), g.ChunkBytes())
		}
	})
}

func TestChunkSizeOf(t *testing.T) {
	for bytes, want := range map[int64]Sectors{
		512: 1, 4096: 8, 1 << 30: 1 << 21,
		0: 0, -4096: 0, 256: 0, 4096 + 256: 0, 3 << 9: 0, 1 << 31: 0,
	} {
		chunk, err := ChunkSizeOf(bytes)
		if (err == nil) != (want > 0) || err == nil && chunk != want {
			t.Errorf("ChunkSizeOf(%d) = %d, %v, want %d", bytes, chunk, err, want)
		}
	}
}
