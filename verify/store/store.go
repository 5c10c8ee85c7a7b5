// Opening a store: the header and what follows from it.

package store

import (
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Store is an open COW store. It holds only the header; each read of the list
// goes to the device.
type Store struct {
	// OriginBytes is the origin's size; 0 if unknown. It helps to tell records
	// from garbage after an area that cannot be read.
	OriginBytes int64

	r        io.ReaderAt
	size     int64
	header   cow.Header
	geometry cow.Geometry
}

// The reasons why something is not a readable store. FormatError wraps one of
// them.
var (
	ErrTooShort  = errors.New("too short for the header of a COW store")
	ErrFresh     = errors.New("no header yet: its magic number is 0")
	ErrMagic     = errors.New("not a COW store")
	ErrVersion   = errors.New("a COW store of an unknown version")
	ErrChunkSize = errors.New("a COW store with an invalid chunk size")
)

// FormatError says why something is not a readable store.
type FormatError struct {
	Reason error       // ErrTooShort, ErrFresh, ErrMagic, ErrVersion or ErrChunkSize
	Header *cow.Header // as found on disk; nil with ErrTooShort
	Detail string      // the error text, with the figures
}

func (e *FormatError) Error() string { return e.Detail }

// Unwrap returns Reason.
func (e *FormatError) Unwrap() error { return e.Reason }

// Open reads the header of the store in r, a device or file of size bytes. It
// fails with a *FormatError if r holds no readable store, and with r's error if
// the header cannot be read. It opens an invalidated store like any other: see
// Header.
//
// The checks are made in the kernel's order, except that the kernel checks the
// version last.
func Open(r io.ReaderAt, size int64) (*Store, error) {
	if size < cow.HeaderSize {
		return nil, &FormatError{Reason: ErrTooShort, Detail: fmt.Sprintf("too short for the header of a COW store: %d of %d bytes", max(0, size), cow.HeaderSize)}
	}
	var buf [cow.HeaderSize]byte
	if err := blockdev.ReadFull(r, buf[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	h, err := cow.DecodeHeader(buf[:])
	if err != nil {
		return nil, err
	}
	refuse := func(reason error, format string, args ...any) (*Store, error) {
		return nil, &FormatError{Reason: reason, Header: &h, Detail: fmt.Sprintf(format, args...)}
	}
	switch {
	case h.Magic == 0:
		return refuse(ErrFresh, "no header yet: the magic number is 0")
	case h.Magic != cow.Magic:
		return refuse(ErrMagic, "the magic number is %#08x, not %#08x", h.Magic, cow.Magic)
	case h.Version != cow.Version:
		return refuse(ErrVersion, "the format version is %d, not %d, which is the only one known here and to the kernel", h.Version, cow.Version)
	}
	g, err := cow.NewGeometry(h.ChunkSectors())
	if err != nil {
		return refuse(ErrChunkSize, "the header has a %v", err)
	}
	return &Store{r: r, size: size, header: h, geometry: g}, nil
}

// Header is the header as found on disk. Its Valid is 0 if the kernel has
// invalidated the snapshot; the exceptions are still there.
func (s *Store) Header() cow.Header { return s.header }

// Geometry is the store's layout.
func (s *Store) Geometry() cow.Geometry { return s.geometry }

// Size is the size of the store's device or file in bytes.
func (s *Store) Size() int64 { return s.size }

// Bounds says which chunks exist on the store's device and, if OriginBytes is
// known, on the origin.
func (s *Store) Bounds() cow.Bounds {
	return s.geometry.BoundsOf(s.size, s.OriginBytes)
}

// ReadChunk reads chunk c of the store's device into buf, whose length must be
// one chunk.
func (s *Store) ReadChunk(buf []byte, c cow.Chunk) error {
	if !s.Bounds().OnDevice(c) {
		return fmt.Errorf("chunk %d: the device has %d whole chunks", c, s.Bounds().DeviceChunks)
	}
	offset, _ := s.geometry.Offset(c) // a chunk on the device
	if err := blockdev.ReadFull(s.r, buf[:s.geometry.ChunkBytes()], int64(offset)); err != nil {
		return fmt.Errorf("chunk %d: %w", c, err)
	}
	return nil
}
