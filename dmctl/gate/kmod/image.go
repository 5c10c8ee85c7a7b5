package kmod

// Kernel images: what is around the kernel in the files of /boot.

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/unpack"
)

// MaxImage bounds the size of a kernel image in bytes, packed and unpacked.
// Distributions' kernels have about 60 MiB.
const MaxImage = 128 << 20

// ReadImage returns the version of the target "snapshot" built into a kernel
// image: vmlinux, vmlinuz, bzImage, Image, zImage; bare, or packed with gzip,
// bzip2, lzma, xz, lz4 or zstd. If the kernel has none built in, the error is
// [ErrNoTarget].
func ReadImage(r io.Reader) (gate.Version, error) { return new(ImageReader).Read(r) }

// ImageRelease returns the release in a kernel image, from the text that the
// kernel prints first, or "" if there is none.
func ImageRelease(r io.Reader) string {
	data, err := unpack.ReadAll(r, MaxImage, nil)
	if err != nil {
		return ""
	}
	search := imageSearch{budget: MaxImage}
	_, _ = search.image(data)
	return search.release
}

// banner starts the text that a kernel prints first (init/version.c).
const banner = "Linux version "

// bannerRelease returns the release in that text. A kernel also contains the
// format of the text, which has no release.
func bannerRelease(data []byte) string {
	for range maxNames {
		i := bytes.Index(data, []byte(banner))
		if i < 0 {
			break
		}
		data = data[i+len(banner):]
		release, _, _ := bytes.Cut(data[:min(len(data), maxName)], []byte(" "))
		if len(release) > 0 && release[0] >= '0' && release[0] <= '9' && isPlain(release) {
			return string(release)
		}
	}
	return ""
}

// ImageReader reads images one at a time, in the same memory. The zero value is
// ready for use.
type ImageReader struct {
	file, unpacked []byte
	release        string
}

// Release returns the release in the last image read, or "".
func (ir *ImageReader) Release() string { return ir.release }

// Read is [ReadImage].
func (ir *ImageReader) Read(r io.Reader) (gate.Version, error) {
	if f, ok := r.(fs.File); ok {
		if info, err := f.Stat(); err == nil && int64(cap(ir.file)) <= info.Size() && info.Size() <= MaxImage {
			ir.file = make([]byte, 0, info.Size()+1) // plus one to see the end
		}
	}
	data, err := unpack.ReadAll(r, MaxImage, ir.file)
	ir.file = data
	if err != nil {
		return gate.Version{}, err
	}
	search := imageSearch{budget: MaxImage, room: ir.unpacked}
	v, err := search.image(data)
	ir.unpacked, ir.release = search.room, search.release
	return v, err
}

// makeRoom allocates memory for the unpacked kernel, if the last four bytes
// give its size as the kernel's build writes it (scripts/Makefile.lib,
// size_append).
func (s *imageSearch) makeRoom(packed []byte) {
	const field, ratio = 4, 16 // no kernel is compressed better
	if len(packed) < field {
		return
	}
	size := int(binary.LittleEndian.Uint32(packed[len(packed)-field:]))
	if size >= len(packed) && size/ratio <= len(packed) && size <= s.budget && cap(s.room) <= size {
		s.room = make([]byte, 0, size+1)
	}
}

// imageSearch is the state that all layers of an image share.
type imageSearch struct {
	budget   int    // bytes that may still be unpacked
	attempts int    // to unpack something
	room     []byte // for unpacked data, part by part
	release  string // of the kernel, if one was found
}

const maxAttempts = 32

// errNoKernel means that no layer of an image was a kernel.
var errNoKernel = errors.New("no kernel found in it: not a kernel image, or packed in an unknown way")

// image examines a file as it is, and then the packed data inside.
func (s *imageSearch) image(data []byte) (gate.Version, error) {
	if payload, ok, err := payloadOf(data); err != nil {
		return gate.Version{}, err
	} else if ok {
		return s.payload(payload)
	}
	outer, outerErr := gate.Version{}, errNoKernel
	if unpack.Of(data) == nil {
		outer, outerErr = s.kernelProper(data)
	}
	if !errors.Is(outerErr, errNoKernel) && !errors.Is(outerErr, ErrNoTarget) {
		return outer, outerErr
	}
	inner, err := s.packed(data)
	if errors.Is(err, errNoKernel) {
		err = outerErr // the file itself may have been a kernel
	}
	return inner, err
}

// packed tries everything in data that looks packed, because a kernel follows
// the code that unpacks it.
func (s *imageSearch) packed(data []byte) (gate.Version, error) {
	none := errNoKernel
	for at := 0; at < len(data); at++ {
		at += nextPacked(data[at:])
		if at >= len(data) {
			break
		}
		if s.attempts++; s.attempts > maxAttempts {
			return gate.Version{}, fmt.Errorf("more than %d packed parts: not a kernel image", maxAttempts)
		}
		v, err := s.payload(data[at:])
		if err == nil || errors.Is(err, unpack.ErrTooLarge) || errors.Is(err, errAmbiguous) {
			return v, err
		}
		if errors.Is(err, ErrNoTarget) {
			none = ErrNoTarget // this was a kernel; there may be several
		}
	}
	return gate.Version{}, none
}

// payload unpacks the start of data and looks for the kernel in it. Data after
// the packed part is not an error.
func (s *imageSearch) payload(data []byte) (gate.Version, error) {
	f := unpack.Of(data)
	if f == nil && unpack.LooksLikeLZMA(data) {
		f = &unpack.LZMA
	}
	if f == nil {
		return s.kernelProper(data)
	}
	s.makeRoom(data)
	out, err := f.Unpack(data, s.budget, s.room)
	s.budget -= len(out)
	if cap(out) > cap(s.room) {
		s.room = out
	}
	if errors.Is(err, unpack.ErrTooLarge) {
		return gate.Version{}, fmt.Errorf("unpacking %s: %w", f.Name, err)
	}
	v, kernelErr := s.kernelProper(out)
	if err != nil && errors.Is(kernelErr, errNoKernel) {
		kernelErr = fmt.Errorf("%w (unpacking %s: %w)", errNoKernel, f.Name, err)
	}
	return v, kernelErr
}

// kernelProper examines unpacked data: an ELF file or a bare image.
func (s *imageSearch) kernelProper(data []byte) (gate.Version, error) {
	if s.release == "" {
		s.release = bannerRelease(data)
	}
	if o, err := parseELF(data); err == nil {
		if o.kind == elf.ET_REL {
			return gate.Version{}, errNoKernel
		}
		return findInELF(o)
	}
	return findBare(data)
}

// findBare looks for the target in a bare image. If nothing shows that the
// image is a kernel, the result is not "no target".
func findBare(data []byte) (gate.Version, error) {
	var found versions
	for _, l := range bareImages(data) {
		v, err := l.find()
		switch {
		case err == nil:
			found = append(found, v)
		case !errors.Is(err, ErrNoTarget):
			return gate.Version{}, err
		}
	}
	if len(found) == 0 && !isBare64(data) && !bytes.Contains(data, []byte(banner)) {
		return gate.Version{}, errNoKernel
	}
	return found.only()
}

// nextPacked returns the distance to the next place where packed data may
// start, or len(data). It searches one window after another, so that many calls
// on one image stay linear in its size.
func nextPacked(data []byte) int {
	const window, overlap = 1 << 20, 32
	for from := 0; from < len(data); from += window {
		part := data[from:min(len(data), from+window+overlap)]
		if i := firstPacked(part); i < len(part) {
			return from + i
		}
	}
	return len(data)
}

// lzmaStart begins the .lzma files of the kernel's build: the default
// properties, and a dictionary that is a multiple of 64 KiB.
const lzmaStart = "\x5d\x00\x00"

func firstPacked(data []byte) int {
	first := len(data)
	for _, f := range unpack.Formats {
		if i := bytes.Index(data, []byte(f.Magic)); i >= 0 {
			first = min(first, i)
		}
	}
	for at := 0; at < first; at++ {
		i := bytes.Index(data[at:first], []byte(lzmaStart))
		if i < 0 {
			break
		}
		if at += i; unpack.LooksLikeLZMA(data[at:]) {
			return at
		}
	}
	return first
}

// payloadOf returns the packed kernel of images whose headers say where it is:
// bzImage of x86 (Documentation/arch/x86/boot.rst of the kernel), and EFI
// images that unpack themselves (drivers/firmware/efi/libstub/zboot-header.S).
func payloadOf(data []byte) (payload []byte, ok bool, err error) {
	little := binary.LittleEndian
	const (
		setupSects, bootMagic, bootVersion = 0x1f1, 0x202, 0x206
		payloadOffset, payloadLength       = 0x248, 0x24c
		bzHeader                           = 0x250
		sector                             = 512
		zbootMagic, zbootHeader            = 4, 24
	)
	var offset, length uint64
	var what string
	switch {
	case len(data) >= bzHeader && string(data[bootMagic:bootMagic+4]) == "HdrS" && little.Uint16(data[bootVersion:]) >= 0x208:
		sectors := uint64(data[setupSects])
		if sectors == 0 {
			sectors = 4
		}
		what = "bzImage"
		offset, length = (sectors+1)*sector+uint64(little.Uint32(data[payloadOffset:])), uint64(little.Uint32(data[payloadLength:]))
	case len(data) >= zbootHeader && string(data[:2]) == "MZ" && string(data[zbootMagic:zbootMagic+4]) == "zimg":
		what = "EFI image"
		offset, length = uint64(little.Uint32(data[8:])), uint64(little.Uint32(data[12:]))
	default:
		return nil, false, nil
	}
	if offset > uint64(len(data)) || length > uint64(len(data))-offset {
		return nil, true, fmt.Errorf("%s of %d bytes has its kernel at %d, %d bytes long: it is cut off", what, len(data), offset, length)
	}
	return data[offset:][:length], true, nil
}
