package unpack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/mikelolasagasti/xz"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/packtest"
)

// limit is for tests with less data.
const limit = 32 << 20

// The branch filters that the kernel's build puts before xz: the one for x86
// is undone; the one for arm64 is not supported, and is named as the reason.
func TestBranchFilters(t *testing.T) {
	plain := readFixture(t, "vmlinux-amd64")
	if got, err := unpackXZ(readFixture(t, "vmlinux-amd64.xz"), limit, nil); err != nil || !bytes.Equal(got, plain) {
		t.Errorf("x86: %v, and %d bytes, want the %d of the kernel", err, len(got), len(plain))
	}
	if _, err := unpackXZ(readFixture(t, "Image-arm64.xz"), limit, nil); !errors.Is(err, xz.ErrOptions) || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("arm64: %v, want the filter for the reason", err)
	}
}

// withDictionary asks for a dictionary of 2^exponent bytes in the header of the
// first block of an .xz file.
func withDictionary(data []byte, exponent int) []byte {
	const block, dictionary = 12, 12 + 4
	size := (int(data[block]) + 1) * 4
	data = bytes.Clone(data)
	data[dictionary] = byte(2 * (exponent - 12))
	binary.LittleEndian.PutUint32(data[block+size-4:], crc32.ChecksumIEEE(data[block:block+size-4]))
	return data
}

// A header may ask for a dictionary of any size; the size that it gets is bounded.
func TestDictionaryBound(t *testing.T) {
	plain := readFixture(t, "amd64.ko")
	inXZ, lzma := packtest.Packed(t, "xz", plain), packtest.Packed(t, "lzma", plain)
	for exponent, fits := range map[int]bool{12: true, 20: true, 27: true, 28: false, 31: false} {
		lzma := bytes.Clone(lzma)
		binary.LittleEndian.PutUint32(lzma[1:], 1<<exponent)
		for name, pack := range map[string]struct {
			decode func([]byte, int, []byte) ([]byte, error)
			data   []byte
		}{
			"xz":   {unpackXZ, withDictionary(inXZ, exponent)},
			"lzma": {unpackLZMA, lzma},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			got, err := pack.decode(pack.data, limit, nil)
			runtime.ReadMemStats(&after)
			// A dictionary may be too small for what refers to it.
			if whole := err == nil && bytes.Equal(got, plain); whole != fits && exponent > 12 {
				t.Errorf("%s, dictionary of 2^%d bytes: %v, %d bytes", name, exponent, err, len(got))
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > maxDictionary+16<<20 {
				t.Errorf("%s, dictionary of 2^%d bytes: %d bytes of memory were taken", name, exponent, grown)
			}
		}
	}
}

// Data that is truncated in several places, or has changed bytes: an error, or
// complete data, and never a panic.
func TestDamagedPacks(t *testing.T) {
	plain := readFixture(t, "386.ko")
	for how := range packtest.Packers {
		f := Of(packtest.Packed(t, how, plain))
		if how == "lzma" {
			f = &LZMA
		}
		data := packtest.Packed(t, how, plain)
		for cut := 0; cut < len(data); cut += 97 {
			if got, err := f.decode(data[:cut], limit, nil); err == nil && len(got) > len(plain) {
				t.Errorf("%s cut to %d bytes: %d bytes came out of %d", how, cut, len(got), len(plain))
			}
		}
		for at := 0; at < len(data); at += 61 {
			damaged := bytes.Clone(data)
			damaged[at] ^= 0x10
			got, err := f.decode(damaged, limit, nil)
			// The old forms have no checksum.
			if err == nil && !bytes.Equal(got, plain) && how != "lzma" && how != "lz4-legacy" {
				t.Errorf("%s, byte %d changed: other data and no error", how, at)
			}
		}
	}
}

func TestLooksLikeLZMA(t *testing.T) {
	for how, want := range map[string]bool{"lzma": true, "xz": false, "gzip": false, "zstd": false, "lz4": false} {
		if got := LooksLikeLZMA(packtest.Packed(t, how, readFixture(t, "386.ko"))); got != want {
			t.Errorf("%s looks like lzma: %v", how, got)
		}
	}
}

// A decoder's panic is an error.
func TestDecoderPanics(t *testing.T) {
	f := Format{"fault", "", func(b []byte, limit int, _ []byte) ([]byte, error) { return b[:1], errors.New(string(b[limit:])) }}
	if out, err := f.Unpack(nil, 1, nil); err == nil || out != nil {
		t.Errorf("%q, %v, want an error alone", out, err)
	}
}

func FuzzUnpack(f *testing.F) {
	plain := readFixture(f, "386.ko")
	for how := range packtest.Packers {
		f.Add(packtest.Packed(f, how, plain))
	}
	f.Add(readFixture(f, "vmlinux-amd64.xz"))
	f.Add(readFixture(f, "vmlinux-amd64.bz2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16 // of the data that is unpacked
		for _, f := range append(Formats, LZMA) {
			if out, _ := f.decode(data, limit, nil); len(out) > limit {
				t.Fatalf("%s: %d bytes came out, more than the limit", f.Name, len(out))
			}
		}
	})
}
