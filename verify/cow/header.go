// The header: the first sixteen bytes of chunk 0.

package cow

import (
	"encoding/binary"
	"fmt"
)

// SectorSize is the kernel's unit of device sizes, in bytes, whatever a
// device's own blocks are.
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

// MaxChunkSize is the largest chunk size that the kernel takes
// (dm_exception_store_set_chunk_size: INT_MAX >> SECTOR_SHIFT).
const MaxChunkSize = Sectors((1<<31 - 1) >> 9)

// Header is the header as it stands on disk, nothing checked.
type Header struct {
	Magic     uint32
	Valid     uint32 // 0 once the snapshot was invalidated
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
// only where b is shorter.
func DecodeHeader(b []byte) (Header, error) {
	if len(b) < HeaderSize {
		return Header{}, fmt.Errorf("%d bytes are too few for a header of %d", len(b), HeaderSize)
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

// NewHeader is the header of a fresh, valid store.
func NewHeader(chunk Sectors) Header {
	return Header{Magic: Magic, Valid: 1, Version: Version, ChunkSize: uint32(chunk)}
}

// ChunkSectors is the chunk size with its unit.
func (h Header) ChunkSectors() Sectors { return Sectors(h.ChunkSize) }

// CheckChunkSize tells why the kernel refuses a chunk size, nil if it does
// not: a chunk is a power of two, at least one sector and at most
// MaxChunkSize. (That it must also be a multiple of both devices' logical
// blocks is for those who know the devices.)
func CheckChunkSize(chunk Sectors) error {
	switch {
	case chunk == 0:
		return fmt.Errorf("a chunk of 0 sectors")
	case chunk&(chunk-1) != 0:
		return fmt.Errorf("a chunk of %d sectors: not a power of two", chunk)
	case chunk > MaxChunkSize:
		return fmt.Errorf("a chunk of %d sectors: more than the kernel's limit of %d", chunk, MaxChunkSize)
	}
	return nil
}
