package installed

// Unified kernel images: EFI programs with a kernel, its initramfs and its release
// in sections (UAPI Group Specifications, "Unified Kernel Image").

import (
	"bytes"
	"debug/pe"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
)

// maxUnified bounds the images in one directory.
const maxUnified = 64

// unifiedImages returns the images in the places where systemd-boot finds them,
// except those that name another release. One that cannot be read may be of any.
func (t *system) unifiedImages(release string) (files []string) {
	for _, dir := range []string{"boot/EFI/Linux", "efi/EFI/Linux", "boot/efi/EFI/Linux"} {
		entries, _ := t.List(dir)
		for _, e := range entries[:min(len(entries), maxUnified)] {
			file := path.Join(dir, e.Name())
			if strings.EqualFold(path.Ext(file), ".efi") && t.unifiedFits(file, release) {
				files = append(files, file)
			}
		}
	}
	return files
}

func (t *system) unifiedFits(file, release string) bool {
	f, err := t.Open(file)
	if err != nil {
		return true
	}
	defer func() { _ = f.Close() }()
	names, err := unifiedSections(f, ".uname")
	if err != nil || len(names) == 0 {
		return true
	}
	text := make([]byte, min(names[0].Size(), int64(len(release)+1)))
	if _, err := io.ReadFull(names[0], text); err != nil {
		return true
	}
	return strings.TrimRight(string(text), "\x00\n") == release
}

// isUnified reports whether a file is an EFI program.
func isUnified(f fs.File) bool {
	r, ok := f.(io.ReaderAt)
	magic := make([]byte, 2)
	if !ok {
		return false
	}
	n, _ := r.ReadAt(magic, 0)
	return n == len(magic) && string(magic) == "MZ"
}

// maxProgramHead bounds the headers of an EFI program in bytes.
const maxProgramHead = 64 << 10

var (
	errNoProgram = errors.New("it is no EFI program")
	errCutOff    = errors.New("it is an EFI program that is cut off")
)

// unifiedSections returns the sections of a name in an EFI program.
func unifiedSections(f fs.File, name string) (sections []*io.SectionReader, err error) {
	r, ok := f.(io.ReaderAt)
	if !ok {
		return nil, errors.New("it cannot be read from the middle")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	head := make([]byte, min(info.Size(), maxProgramHead))
	if n, err := r.ReadAt(head, 0); n < len(head) {
		return nil, err
	}
	table, err := sectionTable(head)
	if err != nil {
		return nil, err
	}
	for _, s := range table {
		if text, _, _ := bytes.Cut(s.Name[:], []byte{0}); string(text) != name {
			continue
		}
		start, size := int64(s.PointerToRawData), int64(min(s.SizeOfRawData, s.VirtualSize))
		if start+size > info.Size() {
			return nil, errCutOff
		}
		sections = append(sections, io.NewSectionReader(r, start, size))
	}
	return sections, nil
}

// sectionTable returns the sections in the headers of an EFI program (PE format,
// "File Headers"). The package debug/pe would also read symbols, of any number.
func sectionTable(head []byte) (table []pe.SectionHeader32, err error) {
	const startAt, signature = 0x3c, "PE\x00\x00"
	if len(head) < startAt+4 {
		return nil, errNoProgram
	}
	start := binary.LittleEndian.Uint32(head[startAt:])
	if uint64(start) >= uint64(len(head)) || !bytes.HasPrefix(head[start:], []byte(signature)) {
		return nil, errNoProgram
	}
	rest := head[int(start)+len(signature):]
	var file pe.FileHeader
	n, err := binary.Decode(rest, binary.LittleEndian, &file)
	if n += int(file.SizeOfOptionalHeader); err != nil || n > len(rest) {
		return nil, errCutOff
	}
	rest = rest[n:]
	for range file.NumberOfSections {
		var s pe.SectionHeader32
		n, err := binary.Decode(rest, binary.LittleEndian, &s)
		if err != nil {
			return nil, errCutOff
		}
		table, rest = append(table, s), rest[n:]
	}
	return table, nil
}
