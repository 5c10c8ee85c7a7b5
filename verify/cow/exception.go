// Exceptions: the records in an area.

package cow

import (
	"encoding/binary"
	"iter"
)

// Chunk is a position on a device, counted in chunks: on the origin for an
// exception's Old, on the COW device for its New.
type Chunk uint64

// ExceptionSize is the size of a record in bytes (struct disk_exception).
const ExceptionSize = 16

// ChunkNumberLimit is the first chunk number that the kernel misreads. In
// memory, the kernel uses the upper 8 bits of a chunk number to count
// consecutive chunks (DM_CHUNK_NUMBER_BITS in dm-exception-store.h).
const ChunkNumberLimit Chunk = 1 << 56

// Exception records that the origin's chunk Old was copied to chunk New of the
// COW device. A New of 0 ends the list.
type Exception struct {
	Old, New Chunk
}

// offsets of a record's fields, in bytes
const (
	offOld = 0
	offNew = 8
)

// DecodeException reads the record at the start of b. It panics if b is shorter
// than ExceptionSize bytes.
func DecodeException(b []byte) Exception {
	_ = b[ExceptionSize-1]
	return Exception{
		Old: Chunk(binary.LittleEndian.Uint64(b[offOld:])),
		New: Chunk(binary.LittleEndian.Uint64(b[offNew:])),
	}
}

// AppendTo appends the record's ExceptionSize bytes to b.
func (e Exception) AppendTo(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.Old))
	return binary.LittleEndian.AppendUint64(b, uint64(e.New))
}

// Terminates reports whether the record ends the list.
func (e Exception) Terminates() bool { return e.New == 0 }

// Exceptions iterates over the records in b, an area or part of one, with their
// index in b. It ignores bytes after the last whole record. It does not stop at
// the terminator.
func Exceptions(b []byte) iter.Seq2[int, Exception] {
	return func(yield func(int, Exception) bool) {
		for slot := 0; len(b) >= ExceptionSize; slot++ {
			if !yield(slot, DecodeException(b)) {
				return
			}
			b = b[ExceptionSize:]
		}
	}
}
