// Exceptions: the records of which an area consists.

package cow

import (
	"encoding/binary"
	"iter"
)

// Chunk is a place on a device, counted in chunks: on the origin in an
// exception's Old, on the COW device in its New.
type Chunk uint64

// ExceptionSize is the size of a record in bytes (struct disk_exception).
const ExceptionSize = 16

// ChunkNumberLimit is the first chunk number that the kernel misreads: the
// upper 8 bits of a chunk number in its memory count consecutive chunks
// (DM_CHUNK_NUMBER_BITS in dm-exception-store.h).
const ChunkNumberLimit Chunk = 1 << 56

// Exception says that the origin's chunk Old was copied to chunk New of the
// COW device. A New of 0 ends the list.
type Exception struct {
	Old, New Chunk
}

// offsets of a record's fields, in bytes
const (
	offOld = 0
	offNew = 8
)

// DecodeException reads the record at the start of b, which must hold
// ExceptionSize bytes.
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

// Terminates tells whether the record ends the list.
func (e Exception) Terminates() bool { return e.New == 0 }

// Exceptions iterates over the records of an area, or of a whole number of
// records of one, with their positions in b. Bytes behind the last whole
// record are passed over. The terminator and what lies behind it are records
// like any other here.
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
