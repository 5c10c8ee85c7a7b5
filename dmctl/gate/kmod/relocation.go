package kmod

// Relocations of modules: which word of a section will point where.

import (
	"debug/elf"
	"encoding/binary"
)

// place is where a relocation points: an offset into a section, or a symbol
// that the file itself does not define.
type place struct {
	section  *section // nil for an undefined symbol
	offset   uint64
	symbol   string
	function bool // the symbol is marked as a function
}

// relocation is one record: the word at offset, in the section that the records
// belong to, becomes symbol + addend.
type relocation struct {
	offset uint64
	symbol uint32
	addend uint64
}

// relocations is one section of relocation records.
type relocations struct {
	object   *object
	target   *section // the section that they change
	symbols  *section
	names    []byte
	records  []byte
	explicit bool // addends are in the records, not in the words
}

// relocationsOf returns the records of section s, and whether any of them apply
// to loaded data.
func (o *object) relocationsOf(s section) (relocations, bool) {
	if s.kind != elf.SHT_RELA && s.kind != elf.SHT_REL {
		return relocations{}, false
	}
	count := uint32(len(o.sections))
	if s.info >= count || s.link >= count || !o.sections[s.info].holdsData() {
		return relocations{}, false
	}
	symbols := &o.sections[s.link]
	if symbols.kind != elf.SHT_SYMTAB || symbols.link >= count {
		return relocations{}, false
	}
	return relocations{
		object:   o,
		target:   &o.sections[s.info],
		symbols:  symbols,
		names:    o.sections[symbols.link].data,
		records:  s.data,
		explicit: s.kind == elf.SHT_RELA,
	}, true
}

func (r relocations) recordSize() int {
	size := 2 * r.object.word
	if r.explicit {
		size += r.object.word
	}
	return size
}

func (r relocations) count() int { return len(r.records) / r.recordSize() }

// record reads record i.
func (r relocations) record(i int) relocation {
	o := r.object
	b := r.records[i*r.recordSize():]
	rel := relocation{offset: o.pointer(b)}
	info := b[o.word:]
	switch {
	case o.word == 4:
		rel.symbol = o.order.Uint32(info) >> 8
	case o.machine == elf.EM_MIPS && o.order == binary.LittleEndian:
		rel.symbol = o.order.Uint32(info) // mips64 has separate fields
	default:
		rel.symbol = uint32(o.order.Uint64(info) >> 32)
	}
	if r.explicit {
		rel.addend = o.pointer(b[2*o.word:])
	} else if word := r.word(rel.offset); word != nil {
		rel.addend = o.pointer(word)
	}
	return rel
}

// word returns the word at offset of the changed section, or nil.
func (r relocations) word(offset uint64) []byte {
	size := uint64(len(r.target.data))
	if offset > size || size-offset < uint64(r.object.word) {
		return nil
	}
	return r.target.data[offset:][:r.object.word]
}

// resolve returns where a relocation points.
func (r relocations) resolve(rel relocation) (place, bool) {
	s, ok := r.symbol(uint64(rel.symbol))
	if !ok || rel.symbol == 0 {
		return place{}, false
	}
	p := place{symbol: cString(r.names, uint64(s.name)), function: elf.ST_TYPE(s.info) == elf.STT_FUNC}
	switch {
	case s.section == uint16(elf.SHN_UNDEF):
		return p, p.symbol != ""
	case int(s.section) >= len(r.object.sections):
		return place{}, false // absolute, common, or in a separate table
	}
	p.section = &r.object.sections[s.section]
	p.offset = s.value + rel.addend
	if r.object.word == 4 {
		p.offset &= 0xffffffff
	}
	return p, true
}

// symbol is an entry of a symbol table.
type symbol struct {
	name        uint32 // its offset in the table of names
	info        byte
	section     uint16
	value, size uint64
}

// symbol reads entry i of the symbol table.
func (r relocations) symbol(i uint64) (symbol, bool) {
	order, size := r.object.order, uint64(16)
	if r.object.word == 8 {
		size = 24
	}
	if i >= uint64(len(r.symbols.data))/size {
		return symbol{}, false
	}
	b := r.symbols.data[i*size:]
	if r.object.word == 8 {
		return symbol{order.Uint32(b), b[4], order.Uint16(b[6:]), order.Uint64(b[8:]), order.Uint64(b[16:])}, true
	}
	return symbol{order.Uint32(b), b[12], order.Uint16(b[14:]), uint64(order.Uint32(b[4:])), uint64(order.Uint32(b[8:]))}, true
}

// named reports whether a symbol with the given name covers the place, which
// has length bytes from offset on, in the section that the records change.
func (r relocations) named(name string, offset, length uint64) bool {
	for i := uint64(1); ; i++ {
		s, ok := r.symbol(i)
		if !ok {
			return false
		}
		if int(s.section) < len(r.object.sections) && &r.object.sections[s.section] == r.target &&
			hasCString(r.names, uint64(s.name), name) &&
			offset >= s.value && length <= s.size && offset-s.value <= s.size-length {
			return true
		}
	}
}
