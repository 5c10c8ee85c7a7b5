// Package cpio writes archives in the "newc" format, which the kernel unpacks
// as its first root (Documentation/driver-api/early-userspace/buffer-format.rst
// of the kernel). It knows nothing about their content.
package cpio

import (
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// File types, in the bits above the permissions (stat(2)).
const (
	directory = 0o040000
	regular   = 0o100000
)

// Fields of a header.
const (
	magic   = "070701"
	trailer = "TRAILER!!!"
	align   = 4 // bytes; for a header with its name, and for the content
)

// maxSize is the largest size that the eight hexadecimal digits of a header can
// hold, in bytes.
const maxSize = 1<<32 - 1

// Writer writes an archive, one file after another.
type Writer struct {
	w       io.Writer
	inodes  uint32
	written []string // directories in the archive
	err     error    // the first; nothing is written after it
}

// NewWriter returns a writer that writes an archive to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// File writes a regular file with these permissions, after the missing parent
// directories. Names are relative to the root.
func (a *Writer) File(name string, mode uint32, content []byte) error {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if int64(len(content)) > maxSize {
		return a.fail(fmt.Errorf("%s: %d bytes are too many for an archive", name, len(content)))
	}
	if name == "" {
		return a.fail(fmt.Errorf("a file needs a name"))
	}
	if err := a.Directory(path.Dir(name)); err != nil {
		return err
	}
	return a.entry(name, regular|mode, content)
}

// Directory writes a directory and its missing parents.
func (a *Writer) Directory(name string) error {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if name == "" || slices.Contains(a.written, name) {
		return a.err
	}
	if err := a.Directory(path.Dir(name)); err != nil {
		return err
	}
	a.written = append(a.written, name)
	return a.entry(name, directory|0o755, nil)
}

// Close ends the archive. It does not close the underlying writer.
func (a *Writer) Close() error { return a.entry(trailer, 0, nil) }

// entry writes one header with its name and content. Owners, times and devices
// are zero, so the same files make the same archive.
func (a *Writer) entry(name string, mode uint32, content []byte) error {
	if a.err != nil {
		return a.err
	}
	inode, links := uint32(0), 1
	if name != trailer {
		a.inodes++
		inode = a.inodes
	}
	header := fmt.Sprintf("%s%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		magic, inode, mode, 0, 0, links, 0, len(content), 0, 0, 0, 0, len(name)+1, 0, name)
	for _, part := range []string{header, string(content)} {
		if _, err := io.WriteString(a.w, part+padding(len(part))); err != nil {
			return a.fail(err)
		}
	}
	return nil
}

func (a *Writer) fail(err error) error {
	if a.err == nil {
		a.err = err
	}
	return a.err
}

// padding returns the bytes that fill up n bytes to the alignment.
func padding(n int) string { return strings.Repeat("\x00", (align-n%align)%align) }
