package blockdev

import (
	"errors"
	"io"
	"sync"
	"unsafe"
)

// directAlign is an alignment of memory that O_DIRECT accepts on every device:
// no logical block in use is larger.
const directAlign = 4096

// directPiece is the most to read at once through a bounce buffer, in bytes.
const directPiece = 1 << 20

// AlignedBuffer returns a buffer of n bytes into which an O_DIRECT read needs
// no copy.
func AlignedBuffer(n int) []byte {
	b := make([]byte, n+directAlign)
	shift := 0
	if r := int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % directAlign); r != 0 {
		shift = directAlign - r
	}
	return b[shift : shift+n : shift+n]
}

var bouncePool = sync.Pool{New: func() any {
	b := AlignedBuffer(directPiece)
	return &b
}}

// readDirect reads any range from a file opened with O_DIRECT, which itself
// needs whole logical blocks and aligned memory.
func (d *File) readDirect(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	if aligned(p, off, d.block) {
		return d.f.ReadAt(p, off)
	}
	bounce := bouncePool.Get().(*[]byte)
	defer bouncePool.Put(bounce)
	done := 0
	for done < len(p) {
		n, err := d.readBounced(*bounce, p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readBounced reads the blocks around off and copies the part that p needs.
func (d *File) readBounced(bounce, p []byte, off int64) (int, error) {
	block := int64(d.block)
	skip := off % block
	want := min(int64(len(bounce)), (skip+int64(len(p))+block-1)/block*block)
	n, err := d.f.ReadAt(bounce[:want], off-skip)
	if int64(n) <= skip {
		if err == nil {
			err = io.ErrUnexpectedEOF
		}
		return 0, err
	}
	got := copy(p, bounce[skip:n])
	if got == len(p) || err == nil {
		return got, nil
	}
	return got, err
}

func aligned(p []byte, off int64, block int) bool {
	return len(p) > 0 && len(p)%block == 0 && off%int64(block) == 0 &&
		uintptr(unsafe.Pointer(unsafe.SliceData(p)))%uintptr(min(block, directAlign)) == 0
}
