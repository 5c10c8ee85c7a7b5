package kmod

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// packers pack with the implementations that this package does not read with,
// where there are such.
var packers = map[string]func(io.Writer) (io.WriteCloser, error){
	"gzip": func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
	"xz":   func(w io.Writer) (io.WriteCloser, error) { return xz.NewWriter(w) },
	"lzma": func(w io.Writer) (io.WriteCloser, error) { return lzma.NewWriter(w) },
	"zstd": func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
	"zstd window": func(w io.Writer) (io.WriteCloser, error) {
		return zstd.NewWriter(w, zstd.WithWindowSize(maxDictionary))
	},
	"lz4": func(w io.Writer) (io.WriteCloser, error) { return lz4.NewWriter(w), nil },
	"lz4-legacy": func(w io.Writer) (io.WriteCloser, error) {
		z := lz4.NewWriter(w)
		return z, z.Apply(lz4.LegacyOption(true))
	},
}

func packed(t testing.TB, how string, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := packers[how](&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The size that the kernel's build appends to what it packs (scripts/
// Makefile.lib, size_append).
func withSize(payload []byte, size int) []byte {
	return binary.LittleEndian.AppendUint32(bytes.Clone(payload), uint32(size))
}

// bzImage puts a payload where the boot protocol of x86 says.
func bzImage(payload []byte) []byte {
	const sectors, gap = 3, 0x123
	image := make([]byte, (sectors+1)*512+gap)
	image[0x1f1] = sectors
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(image[0x206:], 0x20f)
	binary.LittleEndian.PutUint32(image[0x248:], gap)
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(len(payload)))
	return append(append(image, payload...), "tail"...)
}

// zboot puts a payload into an EFI image that unpacks itself.
func zboot(payload []byte) []byte {
	const at = 0x400
	image := make([]byte, at)
	copy(image, "MZ\x00\x00zimg")
	binary.LittleEndian.PutUint32(image[8:], at)
	binary.LittleEndian.PutUint32(image[12:], uint32(len(payload)))
	return append(append(image, payload...), "tail"...)
}

// decompressor puts a payload behind code, as zImage of arm does. The code
// has magic numbers in it that start nothing.
func decompressor(payload []byte) []byte {
	random := rand.New(rand.NewPCG(3, 4))
	code := make([]byte, 1<<20+100)
	for i := range code {
		code[i] = byte(random.Uint32())
	}
	copy(code[1000:], "\x1f\x8b\x08 BZh9 \x28\xb5\x2f\xfd \xfd7zXZ\x00 \x02\x21\x4c\x18")
	copy(code[1<<20-50:], "\x1f\x8b\x08\xff\xff\xff")
	return append(append(code, payload...), code[:5000]...)
}

func TestReadImageInItsWrappings(t *testing.T) {
	wrappings := map[string]func([]byte) []byte{
		"bare": func(b []byte) []byte { return b }, "bzImage": bzImage, "zboot": zboot, "decompressor": decompressor,
	}
	for _, kernel := range []string{"vmlinux-amd64", "Image-arm64", "Image-arm"} {
		plain := readFixture(t, kernel)
		var want gate.Version
		for _, f := range imageFixtures {
			if f.name == kernel {
				want = f.want
			}
		}
		for how := range packers {
			for name, wrap := range wrappings {
				got, err := ReadImage(bytes.NewReader(wrap(withSize(packed(t, how, plain), len(plain)))))
				if err != nil || got != want {
					t.Errorf("%s, %s, %s: %v, %v, want %v", kernel, how, name, got, err, want)
				}
			}
		}
	}
}

func TestReadImageBzip2(t *testing.T) {
	got, err := ReadImage(bytes.NewReader(bzImage(readFixture(t, "vmlinux-amd64.bz2"))))
	if want := (gate.Version{Major: 1, Minor: 16}); err != nil || got != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

func TestReadModulePacked(t *testing.T) {
	plain := readFixture(t, "s390x.ko")
	for how := range packers {
		if how == "lzma" { // no magic number: no module comes this way
			continue
		}
		got, err := ReadModule(bytes.NewReader(packed(t, how, plain)))
		if want := (gate.Version{Major: 1, Minor: 12, Patch: 1}); err != nil || got.Version != want {
			t.Errorf("%s: %v, %v, want %v", how, got, err, want)
		}
	}
}

// What several runs of a packer made, one behind the other; zstd's largest
// windows.
func TestReadModulePackedOddly(t *testing.T) {
	plain := readFixture(t, "s390x.ko")
	half := len(plain) / 2
	for _, how := range []string{"gzip", "xz", "zstd", "zstd window"} {
		got, err := ReadModule(bytes.NewReader(append(packed(t, how, plain[:half]), packed(t, how, plain[half:])...)))
		if want := (gate.Version{Major: 1, Minor: 12, Patch: 1}); err != nil || got.Version != want {
			t.Errorf("%s in two parts: %v, %v, want %v", how, got, err, want)
		}
	}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func TestBombs(t *testing.T) {
	for _, how := range []string{"gzip", "xz", "zstd", "lz4"} {
		var b bytes.Buffer
		w, err := packers[how](&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.CopyN(w, zeros{}, MaxModule+1); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if v, err := ReadModule(&b); !errors.Is(err, errTooLarge) {
			t.Errorf("%s: %v, %v, want %v", how, v, err, errTooLarge)
		}
	}
	if v, err := ReadModule(zeros{}); !errors.Is(err, errTooLarge) {
		t.Errorf("endless file: %v, %v, want %v", v, err, errTooLarge)
	}
}
