package kmod

// Linked kernels: the structure is found by the values of pointers, where a
// module would have relocations.

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// linked is a kernel as it is in memory.
//
// The addresses of segments are those in pointers, minus base. In an ELF file
// base is 0. In a bare image, which has one segment at address 0, base is not
// stored anywhere. It is derived from the structures, which must all agree on
// it.
type linked struct {
	layout
	segments []segment
	floating bool     // base is unknown
	tables   [][]byte // may contain relocations with addends (RELA)
	tries    *int     // comparisons of a pointer with a name
}

// maxTries bounds the work for a forged image. Debian's kernels need about a
// thousand tries.
const maxTries = 1 << 24

var errTooManyTries = errors.New("too much in it looks like a target")

// pageSize: the base of a bare image is a multiple of at least this.
const pageSize = 4096

// maxNames bounds the number of places with a target's name to check. Kernels
// have about forty.
const maxNames = 256

var errTooManyNames = errors.New(`too many strings "snapshot" in it`)

// findInELF returns the version of the target "snapshot" in a linked ELF file.
func findInELF(o *object) (gate.Version, error) {
	l := linked{layout: o.layout, segments: o.segments}
	total := 0
	for _, s := range o.segments {
		total += len(s.data)
	}
	for _, s := range o.sections {
		if s.kind == elf.SHT_RELA && s.flags&elf.SHF_ALLOC != 0 {
			l.tables = append(l.tables, s.data)
			total += len(s.data)
		}
	}
	// Relocations may be inside segments. More overlap would let a small file
	// cause any amount of work.
	if total > 2*len(o.data) {
		return gate.Version{}, fmt.Errorf("ELF file of %d bytes has parts of %d bytes in total", len(o.data), total)
	}
	return l.find()
}

// bareImages returns the kernel in a bare image, once for each layout that it
// may have.
func bareImages(data []byte) []linked {
	layouts := []layout{{binary.LittleEndian, 8}, {binary.LittleEndian, 4}, {binary.BigEndian, 8}, {binary.BigEndian, 4}}
	if isBare64(data) {
		layouts = layouts[:1]
	}
	all := make([]linked, len(layouts))
	for i, l := range layouts {
		all[i] = linked{
			layout: l, floating: true,
			segments: []segment{{data: data, executable: true}},
			tables:   [][]byte{data},
		}
	}
	return all
}

// isBare64 reports whether data starts as the bare images of arm64 and
// riscv64 do (Documentation/arch/arm64/booting.rst and riscv/boot-image-
// header.rst of the kernel).
func isBare64(data []byte) bool {
	const at = 56
	return len(data) >= at+4 && (string(data[at:at+4]) == "ARM\x64" || string(data[at:at+4]) == "RSC\x05")
}

// candidate is a possible target structure in a kernel at base.
type candidate struct {
	base    uint64
	version gate.Version
}

// find returns the version of the target "snapshot". The kernel registers
// "snapshot-origin" together with it (drivers/md/dm-snap.c), so that target
// must exist too, as a second witness.
func (l linked) find() (gate.Version, error) {
	l.tries = new(int)
	snapshots, err := l.targets(gate.SnapshotTarget)
	if err != nil {
		return gate.Version{}, err
	}
	if len(snapshots) == 0 {
		return gate.Version{}, ErrNoTarget
	}
	origins, err := l.targets(gate.OriginTarget)
	if err != nil {
		return gate.Version{}, err
	}
	bases := make(map[uint64]bool)
	for _, c := range origins {
		bases[c.base] = true
	}
	var found versions
	for _, c := range snapshots {
		if bases[c.base] {
			found = append(found, c.version)
		}
	}
	return found.only()
}

// targets returns all possible structures target_type with the given name.
func (l linked) targets(name string) ([]candidate, error) {
	places, err := l.strings(name)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	names := make(namesByPage)
	for _, n := range places {
		names[n%pageSize] = append(names[n%pageSize], n)
	}
	found := l.byValue(names)
	for _, table := range l.tables {
		found = append(found, l.byRelocation(table, names)...)
	}
	if *l.tries > maxTries {
		return nil, errTooManyTries
	}
	return found, nil
}

// namesByPage groups the addresses of a name by their offset in a page, which
// pointers to it share for every base.
type namesByPage map[uint64][]uint64

// candidates returns the names that a pointer can point to; none if there were
// too many tries.
func (l linked) candidates(names namesByPage, pointer uint64) []uint64 {
	some := names[pointer%pageSize]
	if *l.tries += len(some); *l.tries > maxTries {
		return nil
	}
	return some
}

// strings returns the addresses, minus base, of text with its zero byte.
func (l linked) strings(text string) (addresses []uint64, err error) {
	wanted := append([]byte(text), 0)
	for _, s := range l.segments {
		for from := 0; ; {
			i := bytes.Index(s.data[from:], wanted)
			if i < 0 {
				break
			}
			if addresses = append(addresses, s.addr+uint64(from+i)); len(addresses) > maxNames {
				return nil, errTooManyNames
			}
			from += i + 1
		}
	}
	return addresses, nil
}

// byValue looks for structures whose pointers are stored in place.
func (l linked) byValue(names namesByPage) (found []candidate) {
	shape := shapeOf(l.layout)
	for _, s := range l.segments {
		for at := 0; at+shape.size <= len(s.data); at += l.word {
			b := s.data[at:][:shape.size]
			// Built in, THIS_MODULE is null. Checked first because it is fast.
			if l.pointer(b[shape.module:]) != 0 || l.pointer(b) == 0 {
				continue
			}
			some := l.candidates(names, l.pointer(b))
			if len(some) == 0 {
				continue
			}
			functions := [3]uint64{}
			for i, f := range shape.functions {
				functions[i] = l.pointer(b[f:])
			}
			found = append(found, l.confirm(shape, b, l.pointer(b), functions, some)...)
		}
	}
	return found
}

// byRelocation looks for structures whose pointers are in relocations, by
// address. Name and functions follow each other there, because a null pointer
// needs no relocation.
func (l linked) byRelocation(table []byte, names namesByPage) (found []candidate) {
	shape := shapeOf(l.layout)
	record := 3 * l.word
	for at := 0; at+4*record <= len(table); at += l.word {
		place, name := l.relative(table[at:])
		if place == 0 {
			continue
		}
		functions, inLine := [3]uint64{}, true
		for i, f := range shape.functions {
			var where uint64
			where, functions[i] = l.relative(table[at+(i+1)*record:])
			inLine = inLine && where == place+uint64(f)
		}
		if !inLine {
			continue
		}
		for _, n := range l.candidates(names, name) {
			base := name - n
			if b := l.at(place-base, shape.size); b != nil && l.pointer(b[shape.module:]) == 0 {
				found = append(found, l.confirm(shape, b, name, functions, []uint64{n})...)
			}
		}
	}
	return found
}

// relative reads a relocation without a symbol: the word at place becomes
// value. A place of 0 means that there is none.
func (l linked) relative(record []byte) (place, value uint64) {
	const kinds = 1 << 11
	if info := l.pointer(record[l.word:]); info == 0 || info >= kinds {
		return 0, 0
	}
	return l.pointer(record), l.pointer(record[2*l.word:])
}

// confirm checks a structure in b with the given pointers. It finds the bases
// for which the name is one of names and the functions are code.
func (l linked) confirm(shape shape, b []byte, name uint64, functions [3]uint64, names []uint64) (found []candidate) {
	version, ok := shape.read(b)
	if !ok {
		return nil
	}
	for _, n := range names {
		base := (name - n) & l.mask()
		if base != 0 && (!l.floating || base%pageSize != 0) {
			continue
		}
		code := true
		for _, f := range functions {
			code = code && f != 0 && l.isCode((f-base)&l.mask())
		}
		if code {
			found = append(found, candidate{base, version})
		}
	}
	return found
}

// mask limits addresses to a word.
func (l linked) mask() uint64 { return ^uint64(0) >> (64 - 8*l.word) }

// at returns size bytes at an address (minus base), or nil.
func (l linked) at(address uint64, size int) []byte {
	for _, s := range l.segments {
		if offset := address - s.addr; address >= s.addr && offset <= uint64(len(s.data)) && uint64(size) <= uint64(len(s.data))-offset {
			return s.data[offset:][:size]
		}
	}
	return nil
}

func (l linked) isCode(address uint64) bool {
	for _, s := range l.segments {
		if s.executable && address >= s.addr && address-s.addr < uint64(len(s.data)) {
			return true
		}
	}
	return false
}
