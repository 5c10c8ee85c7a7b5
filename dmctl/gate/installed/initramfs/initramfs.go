// Package initramfs reads the files in an initramfs: concatenated cpio archives
// of the new ASCII format, plain (as the early ones with microcode) or packed
// in any way that the kernel knows
// (Documentation/driver-api/early-userspace/buffer-format.rst of the kernel).
// It must not know what the files are.
//
// The input is not trusted: sizes are checked before they are used, and memory
// and work are bounded.
package initramfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/unpack"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// File is a file in an initramfs.
type File struct {
	// Name is its path, without a leading slash.
	Name string
	// Size is the size of its content in bytes.
	Size int64
	// Links is how many names the file has. If there are several, only the last
	// has the content.
	Links uint32
}

// Bounds on the total unpacked size, and on the number of archives. The largest
// initramfs files, full of firmware, have half a GiB.
const (
	maxUnpacked = int64(2 << 30)
	maxArchives = 64
	maxName     = 4096
)

var (
	errTooLarge  = fmt.Errorf("it unpacks to more than %s", count.Bytes(maxUnpacked))
	errArchives  = fmt.Errorf("more than %d archives in it", maxArchives)
	errNoArchive = errors.New("not an initramfs: neither a cpio archive nor packed in a known way")
	errHeader    = errors.New("a header of its cpio archive is damaged")
)

// Walk calls visit for each regular file, with a reader of its content that is
// valid until visit returns. An error from visit ends the walk.
func Walk(r io.Reader, visit func(File, io.Reader) error) error {
	source := unpack.NewSource(r)
	w := walk{visit: visit, left: maxUnpacked}
	for {
		more, err := skipZeros(source)
		if !more || err != nil {
			if err == nil && w.archives == 0 {
				err = errNoArchive
			}
			return err
		}
		if isArchive(source) {
			err = w.archive(source)
		} else {
			err = w.packed(source)
		}
		if err != nil {
			return err
		}
	}
}

// walk is the state that all archives share.
type walk struct {
	visit    func(File, io.Reader) error
	left     int64 // bytes that may still be read from archives
	archives int
}

// packed unpacks the data at the position of the source, and reads the archives
// in it.
func (w *walk) packed(source *unpack.Source) error {
	stream, err := source.Next()
	if errors.Is(err, unpack.ErrNotPacked) {
		return errNoArchive
	}
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	inner := unpack.NewSource(stream)
	for {
		more, err := skipZeros(inner)
		if !more || err != nil {
			return err
		}
		if !isArchive(inner) {
			return errNoArchive
		}
		if err := w.archive(inner); err != nil {
			return err
		}
	}
}

// skipZeros skips the padding between archives, and stops at the end.
func skipZeros(s *unpack.Source) (more bool, err error) {
	for {
		c, err := s.ReadByte()
		switch {
		case err == io.EOF:
			return false, nil
		case err != nil:
			return false, err
		case c != 0:
			return true, s.UnreadByte()
		}
	}
}

func isArchive(s *unpack.Source) bool {
	magic, _ := s.Peek(6)
	return bytes.Equal(magic, []byte("070701")) || bytes.Equal(magic, []byte("070702"))
}

// header is the header of a file in an archive, in hexadecimal.
type header struct{ mode, links, size, nameSize uint32 }

const headerSize = 110

func parseHeader(b []byte) (h header, err error) {
	field := func(i int) (n uint32) {
		wide, e := strconv.ParseUint(string(b[6+8*i:][:8]), 16, 32)
		if e != nil {
			err = errHeader
		}
		return uint32(wide)
	}
	h = header{mode: field(1), links: field(4), size: field(6), nameSize: field(11)}
	return h, err
}

// File types in the mode.
const (
	kindMask = 0o170000
	regular  = 0o100000
)

// archive reads one archive up to its trailer, or to the end of the data.
func (w *walk) archive(s *unpack.Source) error {
	if w.archives++; w.archives > maxArchives {
		return errArchives
	}
	for {
		b := make([]byte, headerSize)
		if _, err := s.Peek(1); err == io.EOF { // without a trailer
			return nil
		}
		if !isArchive(s) {
			return errHeader
		}
		if _, err := io.ReadFull(s, b); err != nil {
			return cutOff(err)
		}
		h, err := parseHeader(b)
		if err != nil {
			return err
		}
		if h.nameSize == 0 || h.nameSize > maxName {
			return errHeader
		}
		name := make([]byte, padded(headerSize+int64(h.nameSize))-headerSize)
		if w.left -= headerSize + int64(len(name)) + padded(int64(h.size)); w.left < 0 {
			return errTooLarge
		}
		if _, err := io.ReadFull(s, name); err != nil {
			return cutOff(err)
		}
		text, _, _ := strings.Cut(string(name[:h.nameSize]), "\x00")
		if text == "TRAILER!!!" {
			return nil
		}
		if err := w.file(s, h, text); err != nil {
			return err
		}
	}
}

// file visits one file and moves on to the next.
func (w *walk) file(s *unpack.Source, h header, name string) error {
	content := io.LimitReader(s, int64(h.size))
	if h.mode&kindMask == regular {
		f := File{Name: strings.TrimPrefix(path.Clean("/"+name), "/"), Size: int64(h.size), Links: h.links}
		if err := w.visit(f, content); err != nil {
			return err
		}
	}
	left := content.(*io.LimitedReader).N + padded(int64(h.size)) - int64(h.size)
	if n, err := io.CopyN(io.Discard, s, left); err != nil {
		// The padding of the last file may be missing.
		if err == io.EOF && left-n < 4 {
			return nil
		}
		return cutOff(err)
	}
	return nil
}

// padded rounds up to the alignment of headers and contents.
func padded(size int64) int64 { return (size + 3) &^ 3 }

func cutOff(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it is cut off")
	}
	return err
}
