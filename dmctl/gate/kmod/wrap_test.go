package kmod

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/packtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/unpack"
	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
)

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

// decompressor puts a payload after code, like zImage of arm. The code
// contains magic numbers that start nothing.
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
	for _, kernel := range []string{"vmlinux-amd64", "Image-arm64", "Image-arm"}[:thorough.Of(1, 3)] {
		plain := readFixture(t, kernel)
		var want gate.Version
		for _, f := range imageFixtures {
			if f.name == kernel {
				want = f.want
			}
		}
		for how := range packtest.Packers {
			payload := withSize(packtest.Packed(t, how, plain), len(plain))
			for name, wrap := range wrappings {
				got, err := ReadImage(bytes.NewReader(wrap(payload)))
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
	for how := range packtest.Packers {
		if how == "lzma" { // no magic number: modules are not packed this way
			continue
		}
		got, err := ReadModule(bytes.NewReader(packtest.Packed(t, how, plain)))
		if want := (gate.Version{Major: 1, Minor: 12, Patch: 1}); err != nil || got.Version != want {
			t.Errorf("%s: %v, %v, want %v", how, got, err, want)
		}
	}
}

// The output of several runs of a packer, one after the other; zstd's largest
// windows.
func TestReadModulePackedOddly(t *testing.T) {
	plain := readFixture(t, "s390x.ko")
	half := len(plain) / 2
	for _, how := range []string{"gzip", "xz", "zstd", "zstd window"} {
		got, err := ReadModule(bytes.NewReader(append(packtest.Packed(t, how, plain[:half]), packtest.Packed(t, how, plain[half:])...)))
		if want := (gate.Version{Major: 1, Minor: 12, Patch: 1}); err != nil || got.Version != want {
			t.Errorf("%s in two parts: %v, %v, want %v", how, got, err, want)
		}
	}
}

// zeros is an endless file.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Data packed in several parts counts as one: many copies of a small part make
// a large bomb.
func TestBombs(t *testing.T) {
	const part = 1 << 20
	for _, how := range []string{"gzip", "xz", "zstd", "lz4"}[:thorough.Of(2, 4)] {
		bomb := bytes.Repeat(packtest.Packed(t, how, make([]byte, part)), MaxModule/part+1)
		if v, err := ReadModule(bytes.NewReader(bomb)); !errors.Is(err, unpack.ErrTooLarge) {
			t.Errorf("%s: %v, %v, want %v", how, v, err, unpack.ErrTooLarge)
		}
	}
	if v, err := ReadModule(zeros{}); !errors.Is(err, unpack.ErrTooLarge) {
		t.Errorf("endless file: %v, %v, want %v", v, err, unpack.ErrTooLarge)
	}
}

// The error for an image that cannot be unpacked says why.
func TestReadImageBehindAnUnknownFilter(t *testing.T) {
	v, err := ReadImage(bytes.NewReader(zboot(readFixture(t, "Image-arm64.xz"))))
	if !errors.Is(err, errNoKernel) || !strings.Contains(err.Error(), "arm64") {
		t.Errorf("%v, %v, want %v, and the filter for the reason", v, err, errNoKernel)
	}
}

// Many small parts that ask for a large dictionary each do not add up.
func TestManyDictionaries(t *testing.T) {
	const exponent = 22
	one := withDictionary(packtest.Packed(t, "xz", []byte("no kernel")), exponent)
	image := bytes.Repeat(append(one, 0), 4*maxAttempts) // the zero keeps them from being one in several parts
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if v, err := ReadImage(bytes.NewReader(image)); err == nil || !strings.Contains(err.Error(), "packed parts") {
		t.Errorf("%v, %v, want that there are too many parts", v, err)
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > (maxAttempts+1)<<exponent+8<<20 {
		t.Errorf("%d MiB of memory were taken", taken>>20)
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
