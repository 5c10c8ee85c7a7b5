package kmod

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/packtest"
)

// Without the pointer to the name nothing is found. Without any witness for
// the structure nothing is found either: the rest would be a guess.
func TestModuleLacksPointers(t *testing.T) {
	for _, name := range []string{"amd64-stripped.ko", "386-stripped.ko"} {
		data := readFixture(t, name)
		r, shape, at := targetIn(t, data)
		module, constructor := shape.module, shape.functions[0]
		for _, test := range []struct {
			without []int
			want    error
		}{
			{[]int{0}, ErrNoTarget},
			{[]int{module}, nil},
			{[]int{constructor}, nil},
			{[]int{module, constructor}, ErrNoTarget},
		} {
			damaged := data
			for _, field := range test.without {
				damaged = withoutRelocation(t, damaged, r, at+uint64(field))
			}
			if m, err := ReadModule(bytes.NewReader(damaged)); !errors.Is(err, test.want) {
				t.Errorf("%s without the pointers at %d: %v, %v, want %v", name, test.without, m, err, test.want)
			}
		}
	}
}

// The symbol is enough, if it exists.
func TestSymbolOfTheTarget(t *testing.T) {
	data := readFixture(t, "amd64.ko")
	r, shape, at := targetIn(t, data)
	bare := withoutRelocation(t, withoutRelocation(t, data, r, at+uint64(shape.module)), r, at+uint64(shape.functions[0]))
	if m, err := ReadModule(bytes.NewReader(bare)); err != nil || m.Version.Minor != 16 {
		t.Errorf("with the symbol alone: %v, %v", m, err)
	}
	bare = bytes.ReplaceAll(bare, []byte("\x00snapshot_target\x00"), []byte("\x00snapshot_forget\x00"))
	if m, err := ReadModule(bytes.NewReader(bare)); !errors.Is(err, ErrNoTarget) {
		t.Errorf("with another symbol: %v, %v, want %v", m, err, ErrNoTarget)
	}
}

// targetIn returns the relocations that the target of a module is among, and
// where the pointer to its name is.
func targetIn(t *testing.T, data []byte) (r relocations, shape shape, at uint64) {
	t.Helper()
	o, err := parseELF(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range o.sections {
		r, ok := o.relocationsOf(s)
		if !ok {
			continue
		}
		offsets, err := r.pointersTo(gate.SnapshotTarget)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range offsets {
			if len(r.targetsAt([]uint64{at})) == 1 {
				return r, shapeOf(o.layout), at
			}
		}
	}
	t.Fatal("no target in the fixture")
	return r, shape, at
}

// withoutRelocation returns data in which the record of the word at offset
// points to another word.
func withoutRelocation(t *testing.T, data []byte, r relocations, offset uint64) []byte {
	t.Helper()
	for i := range r.count() {
		if r.record(i).offset != offset {
			continue
		}
		damaged := bytes.Clone(data)
		at := cap(r.object.data) - cap(r.records) + i*r.recordSize() // records are a part of data
		copy(damaged[at:at+r.object.word], slices.Repeat([]byte{0x11}, r.object.word))
		return damaged
	}
	t.Fatalf("no relocation of the word at %#x", offset)
	return nil
}

func TestAmbiguousModule(t *testing.T) {
	if v, err := ReadModule(bytes.NewReader(readFixture(t, "amd64-twice.ko"))); !errors.Is(err, errAmbiguous) {
		t.Errorf("%v, %v, want %v", v, err, errAmbiguous)
	}
}

// A kernel that has one target without the other is not one that this package
// knows.
func TestImageNeedsBothTargets(t *testing.T) {
	for _, f := range imageFixtures {
		data := readFixture(t, f.name)
		data = bytes.ReplaceAll(data, []byte("snapshot-origin\x00"), []byte("snapshot-oregon\x00"))
		if v, err := ReadImage(bytes.NewReader(data)); !errors.Is(err, ErrNoTarget) && !errors.Is(err, errNoKernel) {
			t.Errorf("%s: %v, %v, want %v", f.name, v, err, ErrNoTarget)
		}
	}
}

// Modules and images that are truncated anywhere, or have any byte changed: an
// error or a version, but no panic and no endless work.
func TestDamagedFiles(t *testing.T) {
	for _, name := range []string{"amd64.ko", "386.ko", "s390x.ko", "vmlinux-amd64", "Image-arm64"} {
		data := readFixture(t, name)
		step := thorough.Of(5, 1)
		for cut := 0; cut < len(data); cut += step {
			_, _ = ReadModule(bytes.NewReader(data[:cut]))
			_, _ = findInELFBytes(data[:cut])
		}
		for at := 0; at < len(data); at += 3 * step {
			damaged := bytes.Clone(data)
			for _, value := range []byte{0x00, 0x7f, 0xff} {
				damaged[at] = value
				_, _ = ReadModule(bytes.NewReader(damaged))
				_, _ = findInELFBytes(damaged)
			}
		}
		if _, err := ReadModule(bytes.NewReader(data[:len(data)/2])); err == nil {
			t.Errorf("%s: half of it was taken for a module", name)
		}
	}
}

func findInELFBytes(data []byte) (gate.Version, error) {
	o, err := parseELF(data)
	if err != nil {
		return gate.Version{}, err
	}
	return findInELF(o)
}

func TestHeadersThatLie(t *testing.T) {
	for _, test := range []struct {
		name string
		lie  func(data []byte)
	}{
		{"class", func(b []byte) { b[elf.EI_CLASS] = 3 }},
		{"byte order", func(b []byte) { b[elf.EI_DATA] = 0 }},
		{"type", func(b []byte) { b[16] = 9 }},
		{"place of the sections", func(b []byte) { copy(b[40:], "\xff\xff\xff\xff\xff\xff\xff\x7f") }},
		{"size of section headers", func(b []byte) { b[58] = 1 }},
		{"number of sections", func(b []byte) { b[60], b[61] = 0xff, 0xff }},
		{"number of sections in section 0", func(b []byte) { b[60], b[61] = 0, 0 }},
	} {
		data := readFixture(t, "amd64.ko")
		test.lie(data)
		if v, err := ReadModule(bytes.NewReader(data)); err == nil {
			t.Errorf("%s: %v and no error", test.name, v)
		}
	}
}

// Many section headers share one long name: the memory used depends on the
// size of the file.
func TestSharedNames(t *testing.T) {
	const header, sectionHeader, sections, names = 52, 40, 2000, 256 << 10
	little := binary.LittleEndian
	data := make([]byte, header+sections*sectionHeader)
	copy(data, elf.ELFMAG+"\x01\x01\x01")
	little.PutUint16(data[16:], uint16(elf.ET_REL))
	little.PutUint32(data[places32.shoff:], header)
	little.PutUint16(data[places32.shentsize:], sectionHeader)
	little.PutUint16(data[places32.shnum:], sections)
	little.PutUint16(data[places32.shstrndx:], 1)
	table := data[header+sectionHeader:]
	little.PutUint32(table[4:], uint32(elf.SHT_STRTAB))
	little.PutUint32(table[places32.shOffset:], uint32(len(data)))
	little.PutUint32(table[places32.shSize:], names)
	data = append(append(data, bytes.Repeat([]byte("a"), names-1)...), 0)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	o, err := parseELF(data)
	runtime.ReadMemStats(&after)
	if err != nil || len(o.sections) != sections {
		t.Fatalf("%v, want an object with %d sections", err, sections)
	}
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 4*uint64(len(data)) {
		t.Errorf("%d bytes of memory were taken for a file of %d", taken, len(data))
	}
}

// An image in which every other word points to many names at once.
func TestImageFullOfPointers(t *testing.T) {
	const size, page, names = 8 << 20, 4096, 128
	data := bytes.Repeat([]byte("\x10\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), size/16)
	for i := range names {
		copy(data[(i+1)*page+0x10:], "snapshot\x00")
	}
	if v, err := ReadImage(bytes.NewReader(data)); !errors.Is(err, errTooManyTries) {
		t.Errorf("%v, %v, want %v", v, err, errTooManyTries)
	}
}

func TestReleaseThatATerminalObeys(t *testing.T) {
	data := bytes.ReplaceAll(readFixture(t, "amd64.ko"), []byte("vermagic=6.1.0-f"), []byte("vermagic=6.1\x1b[2J"))
	if m, err := ReadModule(bytes.NewReader(data)); err != nil || m.Release != "" {
		t.Errorf("%+v, %v, want no release", m, err)
	}
}

func TestCutOffBoot(t *testing.T) {
	for name, image := range map[string][]byte{"bzImage": bzImage(make([]byte, 5000)), "zboot": zboot(make([]byte, 5000))} {
		if v, err := ReadImage(bytes.NewReader(image[:len(image)-1000])); err == nil || errors.Is(err, errNoKernel) {
			t.Errorf("%s: %v, %v, want an error about the cut", name, v, err)
		}
	}
}

func FuzzModule(f *testing.F) {
	for _, m := range moduleFixtures {
		f.Add(readFixture(f, m.name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if o, err := parseELF(data); err == nil {
			_, _ = o.findTarget(gate.SnapshotTarget)
			_ = o.vermagic()
		}
	})
}

func FuzzImage(f *testing.F) {
	for _, m := range imageFixtures {
		f.Add(readFixture(f, m.name))
		f.Add(bzImage(packtest.Packed(f, "gzip", readFixture(f, m.name))))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		search := imageSearch{budget: 1 << 20}
		if _, err := search.image(data); err == nil && search.budget < 0 {
			t.Fatal("more was unpacked than the limit")
		}
	})
}

// A module without relocations was stripped. It is then not known whether it
// has the target.
func TestStrippedOfRelocations(t *testing.T) {
	const places, count, header, kind = 40, 60, 64, 4
	data := bytes.Clone(readFixture(t, "amd64.ko"))
	little := binary.LittleEndian
	at := little.Uint64(data[places:])
	for range little.Uint16(data[count:]) {
		if elf.SectionType(little.Uint32(data[at+kind:])) == elf.SHT_RELA {
			little.PutUint32(data[at+kind:], uint32(elf.SHT_PROGBITS))
		}
		at += header
	}
	if m, err := ReadModule(bytes.NewReader(data)); !errors.Is(err, ErrStripped) {
		t.Errorf("%v, %v, want %v", m, err, ErrStripped)
	}
}
