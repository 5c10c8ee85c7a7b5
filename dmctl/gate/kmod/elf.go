package kmod

// ELF headers, read in place: every table is a slice of the file, and names are
// cut at maxName bytes. debug/elf works for honest files, but it copies every
// name. If all section headers share one long name, a file of 342 kB takes 501
// MiB (TestSharedNames), and a file may have 32 MiB. This happens in
// elf.NewFile, and out of memory is not recoverable.

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
)

var errNotELF = errors.New("not an ELF file")

// layout is how a machine writes words: byte order and pointer size in bytes.
type layout struct {
	order binary.ByteOrder
	word  int
}

// pointer reads the first word of b, which must be long enough.
func (l layout) pointer(b []byte) uint64 {
	if l.word == 8 {
		return l.order.Uint64(b)
	}
	return uint64(l.order.Uint32(b))
}

// object is an ELF file of any class and byte order.
type object struct {
	layout
	data     []byte
	kind     elf.Type
	machine  elf.Machine
	sections []section
	segments []segment // those of PT_LOAD, only the part in the file
}

type section struct {
	kind       elf.SectionType
	flags      elf.SectionFlag
	addr       uint64
	link, info uint32
	nameAt     uint32
	name       string
	data       []byte // nil if the file has none
}

// holdsData reports whether a section is loaded and is not code.
func (s section) holdsData() bool {
	return s.flags&elf.SHF_ALLOC != 0 && s.flags&elf.SHF_EXECINSTR == 0
}

// segment is a piece of a linked program at its address.
type segment struct {
	addr       uint64
	data       []byte
	executable bool
}

// Offsets in headers by class: 32 bit, 64 bit.
type headerPlaces struct {
	fileHeader, phoff, shoff, phentsize, phnum, shentsize, shnum, shstrndx int
	sectionHeader, shFlags, shAddr, shOffset, shSize, shLink, shInfo       int
	segmentHeader, phFlags, phOffset, phVaddr, phFilesz                    int
}

var (
	places32 = headerPlaces{
		fileHeader: 52, phoff: 28, shoff: 32, phentsize: 42, phnum: 44, shentsize: 46, shnum: 48, shstrndx: 50,
		sectionHeader: 40, shFlags: 8, shAddr: 12, shOffset: 16, shSize: 20, shLink: 24, shInfo: 28,
		segmentHeader: 32, phFlags: 24, phOffset: 4, phVaddr: 8, phFilesz: 16,
	}
	places64 = headerPlaces{
		fileHeader: 64, phoff: 32, shoff: 40, phentsize: 54, phnum: 56, shentsize: 58, shnum: 60, shstrndx: 62,
		sectionHeader: 64, shFlags: 8, shAddr: 16, shOffset: 24, shSize: 32, shLink: 40, shInfo: 44,
		segmentHeader: 56, phFlags: 4, phOffset: 8, phVaddr: 16, phFilesz: 32,
	}
)

// parseELF reads the headers of an ELF file.
func parseELF(data []byte) (*object, error) {
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return nil, errNotELF
	}
	if len(data) < elf.EI_NIDENT {
		return nil, errors.New("ELF file is cut off in its header")
	}
	o := &object{data: data}
	places := places32
	switch elf.Class(data[elf.EI_CLASS]) {
	case elf.ELFCLASS32:
		o.word = 4
	case elf.ELFCLASS64:
		o.word, places = 8, places64
	default:
		return nil, fmt.Errorf("ELF class %d is unknown", data[elf.EI_CLASS])
	}
	switch elf.Data(data[elf.EI_DATA]) {
	case elf.ELFDATA2LSB:
		o.order = binary.LittleEndian
	case elf.ELFDATA2MSB:
		o.order = binary.BigEndian
	default:
		return nil, fmt.Errorf("ELF byte order %d is unknown", data[elf.EI_DATA])
	}
	if len(data) < places.fileHeader {
		return nil, errors.New("ELF file is cut off in its header")
	}
	o.kind, o.machine = elf.Type(o.order.Uint16(data[16:])), elf.Machine(o.order.Uint16(data[18:]))
	if err := o.readSections(places); err != nil {
		return nil, err
	}
	return o, o.readSegments(places)
}

// at returns length bytes of the file from offset on.
func (o *object) at(offset, length uint64) ([]byte, error) {
	size := uint64(len(o.data))
	if offset > size || length > size-offset {
		return nil, fmt.Errorf("ELF file of %d bytes has a part of %d bytes at %d", size, length, offset)
	}
	return o.data[offset:][:length], nil
}

// table returns count headers of size bytes each.
func (o *object) table(offset uint64, count, entry, size int) ([]byte, error) {
	if count == 0 {
		return nil, nil
	}
	if entry != size {
		return nil, fmt.Errorf("ELF file has headers of %d bytes, want %d", entry, size)
	}
	return o.at(offset, uint64(count)*uint64(size))
}

// maxSections bounds the number of section headers. Modules have about fifty.
const maxSections = 1 << 16

func (o *object) readSections(places headerPlaces) error {
	header := o.data
	offset, count := o.pointer(header[places.shoff:]), int(o.order.Uint16(header[places.shnum:]))
	entry, names := int(o.order.Uint16(header[places.shentsize:])), uint32(o.order.Uint16(header[places.shstrndx:]))
	if offset == 0 {
		return nil
	}
	// Counts that do not fit into the file header are in section 0.
	first, err := o.table(offset, 1, entry, places.sectionHeader)
	if err != nil {
		return err
	}
	if count == 0 {
		n := o.pointer(first[places.shSize:])
		if n > maxSections {
			return fmt.Errorf("ELF file has %d sections, more than %d", n, maxSections)
		}
		count = int(n)
	}
	if names == uint32(elf.SHN_XINDEX) {
		names = o.order.Uint32(first[places.shLink:])
	}
	table, err := o.table(offset, count, entry, places.sectionHeader)
	if err != nil {
		return err
	}
	o.sections = make([]section, count)
	for i := range o.sections {
		if o.sections[i], err = o.readSection(table[i*places.sectionHeader:], places); err != nil {
			return fmt.Errorf("section %d: %w", i, err)
		}
	}
	if names < uint32(count) {
		table := o.sections[names].data
		for i := range o.sections {
			o.sections[i].name = cString(table, uint64(o.sections[i].nameAt))
		}
	}
	return nil
}

func (o *object) readSection(header []byte, places headerPlaces) (s section, err error) {
	s = section{
		nameAt: o.order.Uint32(header),
		kind:   elf.SectionType(o.order.Uint32(header[4:])),
		flags:  elf.SectionFlag(o.pointer(header[places.shFlags:])),
		addr:   o.pointer(header[places.shAddr:]),
		link:   o.order.Uint32(header[places.shLink:]),
		info:   o.order.Uint32(header[places.shInfo:]),
	}
	if s.kind != elf.SHT_NOBITS && s.kind != elf.SHT_NULL {
		s.data, err = o.at(o.pointer(header[places.shOffset:]), o.pointer(header[places.shSize:]))
	}
	return s, err
}

func (o *object) readSegments(places headerPlaces) error {
	header := o.data
	count := int(o.order.Uint16(header[places.phnum:]))
	table, err := o.table(o.pointer(header[places.phoff:]), count, int(o.order.Uint16(header[places.phentsize:])), places.segmentHeader)
	if err != nil {
		return err
	}
	for ; len(table) > 0; table = table[places.segmentHeader:] {
		if elf.ProgType(o.order.Uint32(table)) != elf.PT_LOAD {
			continue
		}
		data, err := o.at(o.pointer(table[places.phOffset:]), o.pointer(table[places.phFilesz:]))
		if err != nil {
			return fmt.Errorf("segment: %w", err)
		}
		o.segments = append(o.segments, segment{
			addr:       o.pointer(table[places.phVaddr:]),
			data:       data,
			executable: elf.ProgFlag(o.order.Uint32(table[places.phFlags:]))&elf.PF_X != 0,
		})
	}
	return nil
}

// maxName bounds the length of names.
const maxName = 256

// cString returns the text at offset, up to its zero byte, or "" if there is
// none.
func cString(b []byte, offset uint64) string {
	if offset >= uint64(len(b)) {
		return ""
	}
	b = b[offset:]
	end := bytes.IndexByte(b[:min(len(b), maxName)], 0)
	if end < 0 {
		return ""
	}
	return string(b[:end])
}
