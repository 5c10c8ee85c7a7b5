package unpack

// Files of lzop, one of the formats of an initramfs: a header, and blocks
// preceded by their sizes and checksums.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	lzo "github.com/anchore/go-lzo"
)

const lzopMagic = "\x89LZO\x00\r\n\x1a\n"

// Flags of the header: which checksums the blocks have, of unpacked and of
// packed data, and which fields the header has.
const (
	lzopAdlerPlain  = 0x1
	lzopAdlerPacked = 0x2
	lzopExtra       = 0x40
	lzopCRCPlain    = 0x100
	lzopCRCPacked   = 0x200
	lzopFilter      = 0x800
)

// maxLZOBlock bounds a block. lzop makes blocks of 256 KiB.
const maxLZOBlock = 8 << 20

var errLZOP = errors.New("the header of lzop is of an unknown kind")

// lzopReader unpacks one block after another.
type lzopReader struct {
	source        io.Reader
	flags         uint32
	packed, plain []byte
	block         []byte // the rest of the unpacked block
	done          bool
}

func newLZOP(s io.Reader) (io.Reader, error) {
	r := &lzopReader{source: s}
	const version, newer = 0, 0x0940
	// The magic; the versions of the program, of the library, and of the oldest
	// reader; method and level.
	head := make([]byte, len(lzopMagic)+8)
	if _, err := io.ReadFull(s, head); err != nil {
		return nil, err
	}
	fields := head[len(lzopMagic):]
	if binary.BigEndian.Uint16(fields[version:]) < newer || fields[6] < 1 || fields[6] > 3 {
		return nil, errLZOP
	}
	flags, err := r.number()
	if err != nil {
		return nil, err
	}
	r.flags = flags
	if flags&lzopExtra != 0 || flags&lzopFilter != 0 {
		return nil, errLZOP
	}
	name := make([]byte, 3*4+1) // mode, time in two parts, length of the name
	if _, err := io.ReadFull(s, name); err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, s, int64(name[3*4])+4); err != nil { // plus the checksum
		return nil, err
	}
	return r, nil
}

func (r *lzopReader) number() (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(r.source, b[:])
	return binary.BigEndian.Uint32(b[:]), err
}

func (r *lzopReader) Read(b []byte) (int, error) {
	for len(r.block) == 0 {
		if r.done {
			return 0, io.EOF
		}
		if err := r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(b, r.block)
	r.block = r.block[n:]
	return n, nil
}

// next unpacks a block.
func (r *lzopReader) next() error {
	size, err := r.number()
	if err != nil {
		return errCutOff
	}
	if size == 0 {
		r.done = true
		return nil
	}
	packed, err := r.number()
	if err != nil {
		return errCutOff
	}
	if size > maxLZOBlock || packed > size {
		return fmt.Errorf("a block of %d bytes, packed to %d", size, packed)
	}
	sums := []uint32{lzopAdlerPlain, lzopCRCPlain}
	if packed < size {
		sums = append(sums, lzopAdlerPacked, lzopCRCPacked)
	}
	for _, flag := range sums {
		if r.flags&flag != 0 {
			if _, err := r.number(); err != nil {
				return errCutOff
			}
		}
	}
	r.packed, r.plain = room(r.packed, packed), room(r.plain, size)
	if _, err := io.ReadFull(r.source, r.packed); err != nil {
		return errCutOff
	}
	if packed == size {
		r.block = r.packed
		return nil
	}
	n, err := lzo.Decompress(r.packed, r.plain)
	if err != nil {
		return err
	}
	r.block = r.plain[:n]
	return nil
}

func room(b []byte, size uint32) []byte {
	if uint32(cap(b)) < size {
		return make([]byte, size)
	}
	return b[:size]
}
