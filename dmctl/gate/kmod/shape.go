package kmod

// The layout of struct target_type, from its name on.

import (
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// shape has the offsets of the fields of struct target_type, in bytes from the
// field name:
//
//	const char *name;
//	struct module *module;
//	unsigned version[3];
//	dm_ctr_fn ctr; dm_dtr_fn dtr; dm_map_fn map;
//
// Every kernel since 2.6 has them in this order
// (include/linux/device-mapper.h). The fields before name (features) and after
// map differ.
type shape struct {
	layout
	module, version int
	functions       [3]int
	size            int
}

func shapeOf(l layout) shape {
	s := shape{layout: l, module: l.word, version: 2 * l.word}
	first := (s.version + 3*4 + l.word - 1) / l.word * l.word
	for i := range s.functions {
		s.functions[i] = first + i*l.word
	}
	s.size = s.functions[2] + l.word
	return s
}

// read returns the version in a structure. b has at least the part before the
// functions. It is not ok if the padding is not zero, or if no target ever had
// that version.
func (s shape) read(b []byte) (v gate.Version, ok bool) {
	v = gate.Version{
		Major: s.order.Uint32(b[s.version:]),
		Minor: s.order.Uint32(b[s.version+4:]),
		Patch: s.order.Uint32(b[s.version+8:]),
	}
	padding := b[s.version+12 : s.functions[0]]
	return v, v.Possible() && v.Major > 0 && !slices.ContainsFunc(padding, func(b byte) bool { return b != 0 })
}

// versions are the versions of all structures that were found.
type versions []gate.Version

// only returns the version if there is exactly one.
func (all versions) only() (gate.Version, error) {
	if len(all) == 0 {
		return gate.Version{}, ErrNoTarget
	}
	for _, v := range all {
		if v != all[0] {
			return gate.Version{}, errAmbiguous
		}
	}
	return all[0], nil
}

// hasCString reports whether b has text and its zero byte at offset.
func hasCString(b []byte, offset uint64, text string) bool {
	size := uint64(len(b))
	if offset > size || size-offset < uint64(len(text))+1 {
		return false
	}
	b = b[offset:]
	return string(b[:len(text)]) == text && b[len(text)] == 0
}
