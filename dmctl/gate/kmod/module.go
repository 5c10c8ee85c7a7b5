package kmod

// Modules (.ko): relocatable objects, in which every pointer is a relocation.

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/unpack"
)

// MaxModule bounds the size of a module in bytes, packed and unpacked. The
// largest dm-snapshot modules, with debugging information, have a few MiB.
const MaxModule = 32 << 20

// Module is what a kernel module says about itself.
type Module struct {
	// Version is the version of the target "snapshot".
	Version gate.Version
	// Release is the release of the kernel that the module was built for, or ""
	// if the module does not say.
	Release string
	// Machine is the machine that the module was built for.
	Machine elf.Machine
}

// ReadModule reads a kernel module, which may be packed (.gz, .xz, .zst, .bz2
// or .lz4). If a sound module lacks the target "snapshot", the error is
// [ErrNoTarget].
func ReadModule(r io.Reader) (Module, error) {
	data, err := unpack.ReadAll(r, MaxModule, nil)
	if err != nil {
		return Module{}, err
	}
	data, err = unpack.Any(data, MaxModule)
	if err != nil {
		return Module{}, err
	}
	o, err := parseELF(data)
	if err != nil {
		return Module{}, err
	}
	v, err := o.findTarget(gate.SnapshotTarget)
	return Module{v, o.vermagic(), o.machine}, err
}

// MachineOf returns the machine that a kernel module, packed or not, was built
// for.
func MachineOf(r io.Reader) (elf.Machine, error) {
	data, err := unpack.ReadAll(r, MaxModule, nil)
	if err == nil {
		data, err = unpack.Any(data, MaxModule)
	}
	if err != nil {
		return elf.EM_NONE, err
	}
	o, err := parseELF(data)
	if err != nil {
		return elf.EM_NONE, err
	}
	return o.machine, nil
}

// vermagic returns the kernel's release from a module's own description: texts
// "key=value", each followed by a zero byte. It ignores a value that is not a
// release, because it could control a terminal.
func (o *object) vermagic() string {
	for _, s := range o.sections {
		if s.name != ".modinfo" {
			continue
		}
		for text := range bytes.SplitSeq(s.data, []byte{0}) {
			value, ok := bytes.CutPrefix(text, []byte("vermagic="))
			if !ok {
				continue
			}
			release, _, _ := bytes.Cut(value[:min(len(value), maxName)], []byte(" "))
			if isPlain(release) {
				return string(release)
			}
		}
	}
	return ""
}

// thisModule is the section in which the kernel's modpost puts a module's
// struct module. thisModuleSymbol is the symbol of that struct.
const (
	thisModule       = ".gnu.linkonce.this_module"
	thisModuleSymbol = "__this_module"
)

// maxCandidates bounds the number of pointers to a target's name to check.
const maxCandidates = 64

// findTarget looks for a struct target_type with the given name in a module.
func (o *object) findTarget(name string) (gate.Version, error) {
	if o.kind != elf.ET_REL {
		return gate.Version{}, fmt.Errorf("not a kernel module: ELF type %v, want %v", o.kind, elf.ET_REL)
	}
	var found versions
	relocated := false
	budget := len(o.data) // sections overlap only in hostile files
	for _, s := range o.sections {
		r, ok := o.relocationsOf(s)
		if !ok {
			continue
		}
		relocated = true
		if budget -= len(r.records); budget < 0 {
			return gate.Version{}, fmt.Errorf("relocations take up more room than the module's %d bytes", len(o.data))
		}
		candidates, err := r.pointersTo(name)
		if err != nil {
			return gate.Version{}, err
		}
		found = append(found, r.targetsAt(candidates)...)
	}
	if !relocated {
		return gate.Version{}, ErrStripped
	}
	return found.only()
}

// ErrStripped is not ErrNoTarget: it is not known what the module has.
var ErrStripped = errors.New("no relocations in it: it was stripped of what loading takes")

// pointersTo returns the offsets of the words that will point to text.
func (r relocations) pointersTo(text string) (offsets []uint64, err error) {
	for i := range r.count() {
		rel := r.record(i)
		p, ok := r.resolve(rel)
		if !ok || p.section == nil || !hasCString(p.section.data, p.offset, text) {
			continue
		}
		if offsets = append(offsets, rel.offset); len(offsets) > maxCandidates {
			return nil, errAmbiguous
		}
	}
	return offsets, nil
}

// targetsAt returns the versions of the structures around the name pointers at
// the given offsets, if they really are a struct target_type.
func (r relocations) targetsAt(offsets []uint64) (found versions) {
	if len(offsets) == 0 {
		return nil
	}
	shape := shapeOf(r.object.layout)
	pointers := r.pointersAround(offsets, shape)
	for _, at := range offsets {
		size := uint64(len(r.target.data))
		if at > size || size-at < uint64(shape.functions[0]) {
			continue
		}
		b := r.target.data[at:]
		if v, ok := shape.read(b); ok && r.isTarget(at, b, shape, pointers) {
			found = append(found, v)
		}
	}
	return found
}

// pointersAround returns where the words of the structures will point, by their
// offsets. Words that will not be pointers are left out.
func (r relocations) pointersAround(offsets []uint64, shape shape) map[uint64]place {
	wanted := make(map[uint64]bool)
	for _, at := range offsets {
		for field := 0; field < shape.size; field += 4 {
			wanted[at+uint64(field)] = true
		}
	}
	pointers := make(map[uint64]place)
	for i := range r.count() {
		if rel := r.record(i); wanted[rel.offset] {
			pointers[rel.offset], _ = r.resolve(rel)
		}
	}
	return pointers
}

// isTarget decides whether a name pointer, at the start of b, belongs to a
// struct target_type. Three things speak against it: a pointer inside the
// version, a module pointer that is not to the module, and a constructor
// pointer that is not to code. One of three witnesses must speak for it: the
// symbol that the kernel's source gives the structure, the pointer to the
// module, or the pointer to the constructor.
func (r relocations) isTarget(at uint64, b []byte, shape shape, pointers map[uint64]place) bool {
	for field := shape.version; field < shape.functions[0]; field += 4 {
		if _, pointer := pointers[at+uint64(field)]; pointer {
			return false
		}
	}
	if r.named(targetSymbol, at, uint64(shape.functions[0])) {
		return true
	}
	module, hasModule := pointers[at+uint64(shape.module)]
	if hasModule && !module.isThisModule() || !hasModule && r.object.pointer(b[shape.module:]) != 0 {
		return false
	}
	constructor, hasConstructor := pointers[at+uint64(shape.functions[0])]
	if hasConstructor && !constructor.isCode() {
		return false
	}
	return hasModule || hasConstructor
}

// targetSymbol is the name of the structure in drivers/md/dm-snap.c.
const targetSymbol = "snapshot_target"

func (p place) isThisModule() bool {
	if p.section == nil {
		return p.symbol == thisModuleSymbol
	}
	return p.section.name == thisModule && p.offset == 0
}

// isCode reports whether the place is a function or, on machines with function
// descriptors (ppc64 with ELF ABI v1), the descriptor of one. A symbol that the
// file does not define may be a function.
func (p place) isCode() bool {
	if p.section == nil {
		return p.symbol != "" && p.symbol != thisModuleSymbol
	}
	return p.function || p.section.flags&elf.SHF_EXECINSTR != 0 || p.section.name == ".opd"
}

// isPlain reports whether a text has nothing that could control a terminal.
func isPlain(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}
