package unpack

// Frames of zstd and lz4. Their decoders read on after a frame, so they get one
// frame at a time. Only the sizes in it are read here.

import (
	"encoding/binary"
	"errors"
	"io"
)

const (
	zstdMagic = "\x28\xb5\x2f\xfd"
	lz4Legacy = "\x02\x21\x4c\x18"
)

var errCutOff = io.ErrUnexpectedEOF

// zstdFrame reads one frame (RFC 8878, section 3.1.1): a header, blocks with
// the last one marked, and perhaps a checksum.
type zstdFrame struct {
	source   *Source
	left     int // of the part being passed on
	started  bool
	last     bool // the last block was seen
	checksum bool
	done     bool
}

func (f *zstdFrame) Read(b []byte) (int, error) {
	for f.left == 0 {
		if f.done {
			return 0, io.EOF
		}
		if err := f.advance(); err != nil {
			return 0, err
		}
	}
	n, err := f.source.Read(b[:min(len(b), f.left)])
	f.left -= n
	if err == io.EOF {
		err = errCutOff
	}
	return n, err
}

// advance finds the size of the next part.
func (f *zstdFrame) advance() error {
	switch {
	case !f.started:
		f.started = true
		head, err := f.source.Peek(len(zstdMagic) + 1)
		if err != nil {
			return errCutOff
		}
		descriptor := head[len(zstdMagic)]
		single := descriptor >> 5 & 1
		f.checksum = descriptor&4 != 0
		f.left = len(zstdMagic) + 1 + int(1-single) + []int{0, 1, 2, 4}[descriptor&3]
		content := []int{0, 2, 4, 8}[descriptor>>6]
		if content == 0 && single == 1 {
			content = 1
		}
		f.left += content
	case f.last:
		f.done = true
		if f.checksum {
			f.left = 4
		}
	default:
		const header = 3
		head, err := f.source.Peek(header)
		if err != nil {
			return errCutOff
		}
		block := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
		f.last = block&1 != 0
		f.left = header + block>>3
		switch block >> 1 & 3 {
		case 1: // one byte, repeated
			f.left = header + 1
		case 3:
			return errors.New("a block of a reserved kind")
		}
	}
	return nil
}

// lz4Frame reads a frame of the old format, which the kernel uses: blocks
// preceded by their sizes. It ends where the next size is impossible.
type lz4Frame struct {
	source  *Source
	left    int
	started bool
}

// maxLZ4Block is the largest packed size of 8 MiB.
const maxLZ4Block = 8<<20 + 8<<20/255 + 16

func (f *lz4Frame) Read(b []byte) (int, error) {
	if f.left == 0 {
		const field = 4
		head, err := f.source.Peek(field)
		switch {
		case err != nil && len(head) == 0:
			return 0, io.EOF
		case err != nil:
			return 0, errCutOff
		case !f.started:
			f.started, f.left = true, len(lz4Legacy)
		default:
			size := binary.LittleEndian.Uint32(head)
			if size == 0 || size > maxLZ4Block {
				return 0, io.EOF
			}
			f.left = field + int(size)
		}
	}
	n, err := f.source.Read(b[:min(len(b), f.left)])
	f.left -= n
	if err == io.EOF {
		err = errCutOff
	}
	return n, err
}
