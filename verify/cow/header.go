// The header: the first 16 bytes of chunk 0.

package cow

import (
	"encoding/binary"
	"fmt"
)

// SectorSize is the kernel's unit of device sizes, in bytes. It does not depend
// on a device's block size.
const SectorSize = 512

// Sectors counts units of SectorSize bytes.
type Sectors uint64

// Facts of the format, from the kernel's dm-snap-persistent.c: SNAP_MAGIC,
// SNAPSHOT_DISK_VERSION and struct disk_header.
const (
	Magic      = 0x70416e53 // "SnAp", read as a little-endian number
	Version    = 1
	HeaderSize = 16 // bytes
)

// MaxChunkSize is the largest chunk size that the kernel accepts
// (dm_exception_store_set_chunk_size: INT_MAX >> SECTOR_SHIFT).
const MaxChunkSize = Sectors((1<<31 - 1) >> 9)

// Header is the header as found on disk, unchecked.
type Header struct {
	Magic     uint32
	Valid     uint32 // 0 if the snapshot was invalidated
	Version   uint32
	ChunkSize uint32 // in sectors; see ChunkSectors
}

// offsets of the header's fields, in bytes
const (
	offMagic     = 0
	offValid     = 4
	offVersion   = 8
	offChunkSize = 12
)

// DecodeHeader reads a header from the first HeaderSize bytes of b. It fails
// only if b is shorter.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("header has %d bytes, needs %d", len(b), HeaderSize)
	}
	return Header{
		Magic:     binary.LittleEndian.Uint32(b[offMagic:]),
		Valid:     binary.LittleEndian.Uint32(b[offValid:]),
		Version:   binary.LittleEndian.Uint32(b[offVersion:]),
		ChunkSize: binary.LittleEndian.Uint32(b[offChunkSize:]),
	}, nil
}

// AppendTo appends the HeaderSize bytes of h to b.
func (h Header) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, h.Magic)
	b = binary.LittleEndian.AppendUint32(b, h.Valid)
	b = binary.LittleEndian.AppendUint32(b, h.Version)
	return binary.LittleEndian.AppendUint32(b, h.ChunkSize)
}

// NewHeader returns the header of a fresh, valid store.
func NewHeader(chunk Sectors) Header {
	return Header{Magic: Magic, Valid: 1, Version: Version, ChunkSize: uint32(chunk)}
}

// ChunkSectors is the chunk size with its unit.
func (h Header) ChunkSectors() Sectors { return Sectors(h.ChunkSize) }

// CheckChunkSize returns why the kernel refuses a chunk size, or nil if it does
// not. A chunk is a power of two, at least one sector and at most MaxChunkSize.
// It must also be a multiple of both devices' logical block sizes; the caller
// checks that.
func CheckChunkSize(chunk Sectors) error {
	switch {
	case chunk == 0:
		return fmt.Errorf("chunk size of 0 sectors")
	case chunk&(chunk-1) != 0:
		return fmt.Errorf("chunk size of %d sectors: not a power of two", chunk)
	case chunk > MaxChunkSize:
		return fmt.Errorf("chunk size of %d sectors: over the kernel's limit of %d", chunk, MaxChunkSize)
	}
	return nil
}

// ChunkSizeOf converts a chunk size from bytes. It fails if that is not a whole
// number of sectors, or if CheckChunkSize does.
func ChunkSizeOf(bytes int64) (Sectors, error) {
	if bytes < 0 || bytes%SectorSize != 0 {
		return 0, fmt.Errorf("chunk size %d: not a whole number of sectors of %d bytes", bytes, SectorSize)
	}
	chunk := Sectors(bytes / SectorSize)
	return chunk, CheckChunkSize(chunk)
}
