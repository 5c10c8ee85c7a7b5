package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// device is a large device of zeroes, with content at some places. It counts the
// bytes that are read.
type device struct {
	parts map[int64][]byte
	fails int64 // a read from here fails, if this is not 0
	read  int64
}

var errPlace = errors.New("a bad place")

func (d *device) ReadAt(p []byte, off int64) (int, error) {
	d.read += int64(len(p))
	if d.fails != 0 && off == d.fails {
		return 0, errPlace
	}
	clear(p)
	for at, b := range d.parts {
		for i := range b {
			if n := at + int64(i) - off; n >= 0 && n < int64(len(p)) {
				p[n] = b[i]
			}
		}
	}
	return len(p), nil
}

// records are 16 bytes for each pair of numbers.
func records(numbers ...uint64) (b []byte) {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	return b
}

// TestALostHeaderIsNoEmptyDevice: with each legal chunk size, the first area shows
// that a store was there, on the largest devices, too, of which little is read.
func TestALostHeaderIsNoEmptyDevice(t *testing.T) {
	const size = 16 << 40
	for chunk := cow.Sectors(1); chunk <= cow.MaxChunkSize; chunk *= 2 {
		at := int64(chunk) * cow.SectorSize
		d := &device{parts: map[int64][]byte{at: records(5, 2)}}
		r, err := Verify(context.Background(), d, size, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != Corrupt || r.Counts[HeaderLost] != 1 || r.Usage != nil || !errors.Is(r.Err(), ErrHeaderLost) {
			t.Errorf("chunks of %d sectors: %s, %v, %v", chunk, r.Verdict, r.Counts, r.Err())
		}
		if says := r.Findings[0].Message; !strings.Contains(says, fmt.Sprintf("chunks of %d sector", chunk)) || !strings.HasSuffix(says, fmt.Sprintf("at byte %d", at)) {
			t.Errorf("chunks of %d sectors: %s", chunk, says)
		}
		if d.read > 256<<10 {
			t.Errorf("chunks of %d sectors: %d bytes were read", chunk, d.read)
		}
		if r, err = Verify(context.Background(), d, 2*at+at/2, Options{}); err != nil || r.Counts[HeaderLost] != 0 {
			t.Errorf("chunks of %d sectors without one for data: %v, %v", chunk, r, err)
		}
	}
}

// TestForeignDataIsNoArea: what else can be in the place of an area of 8 KiB, on
// a device with zeroes before it.
func TestForeignDataIsNoArea(t *testing.T) {
	full := func(f func(k uint64) (old, new uint64)) (b []byte) {
		for k := range uint64(256) {
			old, new := f(k)
			b = append(b, records(old, new)...)
		}
		return b
	}
	for _, tt := range []struct {
		name    string
		content []byte
		want    bool
	}{
		{"an exception", records(9, 2), true},
		{"the same, on a leaky kernel", records(9, 40, 8, 2), true},
		{"a full area", full(func(k uint64) (uint64, uint64) { return 3 * k, k + 2 }), true},
		{"records that died in a crash", records(9, 2, 0, 0, 8, 3, 7, 2), true},
		{"zeroes", nil, false},
		{"no first record", records(0, 0, 9, 2), false},
		{"text", bytes.Repeat([]byte("text"), 2048), false},
		{"ones", bytes.Repeat([]byte{255}, 8192), false},
		{"numbers", full(func(k uint64) (uint64, uint64) { return 2 * k, 2*k + 1 }), false},
		{"one number, again and again", full(func(k uint64) (uint64, uint64) { return 2, 2 }), false},
		{"one origin chunk twice", records(9, 2, 9, 3), false},
		{"one COW chunk twice", records(9, 2, 8, 2), false},
		{"an area's chunk", records(9, 1), false},
		{"the next area's chunk", records(9, 514), false},
		{"a chunk beyond the device", records(9, 2, 8, 2000), false},
		{"an origin that no device has", records(1<<50, 2), false},
		{"the largest origin", records(1<<50-1, 2), true},
		{"a terminator that is none", records(9, 2, 9, 0), false},
		{"something behind the end", records(9, 2, 0, 0, 7, 0), false},
		{"the last record read", full(func(k uint64) (uint64, uint64) { return k, k + 2 + k/255*5000 }), false},
		{"a thin pool's metadata", records(2<<32|0xabcdef01, 2, 252<<32|1, 8, 0, 0), true}, // cannot be told
		{"more of it", records(2<<32|0xabcdef01, 2, 252<<32|3, 8, 0, 1, 2), false},
	} {
		image := make([]byte, 1000*8192)
		copy(image[8192:], tt.content)
		r := judgeImage(t, image, Options{})
		if got := r.Counts[HeaderLost] > 0; got != tt.want || !tt.want && r.Verdict != Empty {
			t.Errorf("%s: %s, %v", tt.name, r.Verdict, r.Findings)
		}
	}
}

// TestOtherSignaturesComeFirst: an area on a device of something else is data.
func TestOtherSignaturesComeFirst(t *testing.T) {
	image := cowtest.Store{Chunk: 16, Exceptions: cowtest.Canonical(16, 0, 40), DeviceChunks: 9}.Bytes()
	clear(image[:cow.HeaderSize])
	if r := judgeImage(t, image, Options{HeaderOnly: true}); r.Verdict != Corrupt || r.Counts[HeaderLost] != 1 {
		t.Errorf("%s, %v", r.Verdict, r.Findings)
	}
	copy(image[0x438:], "\x53\xef")
	if r := judgeImage(t, image, Options{}); r.Verdict != Unrecognized || r.Counts[BadMagic] != 1 {
		t.Errorf("with a signature of ext4: %s, %v", r.Verdict, r.Findings)
	}
}

// TestSmallestChunkSizeCounts: an area within an area's data is the data's.
func TestSmallestChunkSizeCounts(t *testing.T) {
	d := &device{parts: map[int64][]byte{8 << 10: records(5, 2, 6, 3), 16 << 10: records(1, 2), 4 << 20: records(9, 2)}}
	r, err := Verify(context.Background(), d, 1<<30, Options{})
	if err != nil || !strings.Contains(r.Findings[0].Message, "chunks of 16 sectors") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestPlacesThatCannotBeRead: what cannot be read may be an area, so the device is
// not called empty; an area elsewhere is one all the same.
func TestPlacesThatCannotBeRead(t *testing.T) {
	d := &device{fails: 256 << 10}
	if r, err := Verify(context.Background(), d, 1<<30, Options{}); !errors.Is(err, errPlace) || !strings.Contains(err.Error(), "byte 262144") {
		t.Errorf("%+v, %v", r, err)
	}
	d.parts = map[int64][]byte{1 << 20: records(9, 2)}
	if r, err := Verify(context.Background(), d, 1<<30, Options{}); err != nil || r.Counts[HeaderLost] != 1 {
		t.Errorf("with an area: %+v, %v", r, err)
	}
	d.parts = map[int64][]byte{100: {1}}
	if r, err := Verify(context.Background(), d, 1<<30, Options{}); err != nil || r.Verdict != Unrecognized {
		t.Errorf("with data at its start: %+v, %v", r, err)
	}
}

// TestStoresOfTheKernelAreFound: every store with an exception is found without its
// header.
func TestStoresOfTheKernelAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chunk := cow.Sectors(1) << rapid.IntRange(0, 7).Draw(t, "chunk")
		olds := rapid.SliceOfNDistinct(rapid.Uint64Range(0, 1<<40), 1, 400, rapid.ID).Draw(t, "origin chunks")
		g, _ := cow.NewGeometry(chunk)
		places := rapid.Permutation(cowtest.Run(0, len(olds))).Draw(t, "places")
		s := cowtest.Store{Chunk: chunk, DeviceChunks: uint64(g.DataChunk(uint64(len(olds)))) + 1}
		for i, old := range olds {
			s.Exceptions = append(s.Exceptions, cow.Exception{Old: cow.Chunk(old), New: g.DataChunk(uint64(places[i]))})
		}
		image := s.Bytes()
		clear(image[:cow.HeaderSize])
		if r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{}); err != nil || r.Counts[HeaderLost] != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
	})
}

// FuzzHeadless: what is behind zeroes is an area only if the plain rule says so.
func FuzzHeadless(f *testing.F) {
	f.Add(uint8(4), records(9, 2), uint16(100))
	f.Add(uint8(3), records(9, 2, 9, 3), uint16(100))
	f.Add(uint8(0), bytes.Repeat(records(9, 2), 99), uint16(100))
	f.Add(uint8(5), records(9, 2, 0, 0, 4, 3), uint16(5))
	f.Fuzz(func(t *testing.T, power uint8, content []byte, chunks uint16) {
		chunk := 512 << (power % 5)
		image := make([]byte, int(chunks%64)*chunk)
		if len(image) > chunk {
			copy(image[chunk:], content)
		}
		if len(image) < cow.HeaderSize {
			return
		}
		r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if want := naive(image, 0); r.Verdict != want.Verdict || r.Counts[HeaderLost] != want.Counts[HeaderLost] {
			t.Fatalf("%s, %v; want %s, %v", r.Verdict, r.Counts, want.Verdict, want.Counts)
		}
	})
}
