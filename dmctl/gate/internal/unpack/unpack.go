// Package unpack unpacks kernels, modules and initramfs files. It recognises
// the format by the first bytes, and always bounds the result. It must not know
// what the packed data is.
package unpack

// From the top down: frames, stream, lzop, unpack.

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// ErrTooLarge is the error for data that unpacks to more than its bound.
var ErrTooLarge = errors.New("too much data")

// Format is a compression format.
type Format struct {
	Name string
	// Magic is the start of packed data, or "" if the format has none.
	Magic string
	// decode returns at most limit bytes. With an error it returns what it has
	// so far. It uses the memory of into if that is enough.
	decode func(data []byte, limit int, into []byte) ([]byte, error)
}

// Unpack returns the unpacked data, at most limit bytes, in the memory of into
// if that is enough. With an error it returns what it has so far. If a decoder
// panics on hostile data, that is an error.
func (f *Format) Unpack(data []byte, limit int, into []byte) (out []byte, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			out, err = nil, fmt.Errorf("corrupt data: %v", fault)
		}
	}()
	return f.decode(data, limit, into)
}

// Formats are the formats with a magic.
var Formats = []Format{
	{"gzip", "\x1f\x8b\x08", unpackGzip},
	{"xz", "\xfd7zXZ\x00", unpackXZ},
	{"zstd", "\x28\xb5\x2f\xfd", unpackZstd},
	{"bzip2", "BZh9", unpackBzip2},         // in blocks of 900 kB, as in the kernel's build
	{"lz4", "\x02\x21\x4c\x18", unpackLZ4}, // the legacy frame, which the kernel uses
	{"lz4", "\x04\x22\x4d\x18", unpackLZ4},
}

// LZMA has no magic, so it is tried last; see LooksLikeLZMA.
var LZMA = Format{"lzma", "", unpackLZMA}

// LooksLikeLZMA reports whether data may be a .lzma file: a header as the lzma
// tool writes it, then the zero byte that starts every LZMA stream.
func LooksLikeLZMA(data []byte) bool {
	return len(data) > lzma.HeaderLen && lzma.ValidHeader(data[:lzma.HeaderLen]) && data[lzma.HeaderLen] == 0
}

// Of returns the format of packed data, or nil.
func Of(data []byte) *Format {
	for i := range Formats {
		if bytes.HasPrefix(data, []byte(Formats[i].Magic)) {
			return &Formats[i]
		}
	}
	return nil
}

// Any unpacks packed data, and returns other data unchanged.
func Any(data []byte, limit int) ([]byte, error) {
	f := Of(data)
	if f == nil {
		return data, nil
	}
	out, err := f.Unpack(data, limit, nil)
	if err != nil {
		err = fmt.Errorf("unpacking %s: %w", f.Name, err)
	}
	return out, err
}

// ReadAll reads all of r, which may have at most limit bytes, into the memory
// of into or a new buffer. The buffer doubles up to the limit, so at most half
// as much again is allocated meanwhile.
func ReadAll(r io.Reader, limit int, into []byte) ([]byte, error) {
	const first = 64 << 10
	b := into[:0]
	if cap(b) == 0 {
		b = make([]byte, 0, min(first, limit+1))
	}
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b[:limit], fmt.Errorf("%w: more than %s", ErrTooLarge, count.Bytes(uint64(limit)))
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = append(make([]byte, 0, min(2*cap(b), limit+1)), b...)
		}
	}
}

// members reads data that was packed in several consecutive parts.
type members struct {
	io.Reader
	next func() error // moves to the next part, if there is one
}

func (m members) Read(b []byte) (int, error) {
	n, err := m.Reader.Read(b)
	if err == io.EOF && m.next() == nil {
		err = nil
	}
	return n, err
}

func unpackGzip(data []byte, limit int, into []byte) ([]byte, error) {
	packed := bytes.NewReader(data)
	r, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	r.Multistream(false) // more data follows the image of a kernel, but not gzip
	return ReadAll(members{r, func() error {
		err := r.Reset(packed)
		if err == nil {
			r.Multistream(false)
		}
		return err
	}}, limit, into)
}

func unpackBzip2(data []byte, limit int, into []byte) ([]byte, error) {
	return ReadAll(bzip2.NewReader(bytes.NewReader(data)), limit, into)
}

func unpackLZ4(data []byte, limit int, into []byte) ([]byte, error) {
	return ReadAll(lz4.NewReader(bytes.NewReader(data)), limit, into)
}

// maxDictionary bounds the memory that a header of xz, lzma and zstd can
// request, in bytes. The kernel's build allows xz that much for images
// (scripts/xz_wrap.sh since 6.12), and zstd --ultra -22 uses it; xz -9 uses
// half. They request it even for the smallest files.
const maxDictionary = 128 << 20

func unpackXZ(data []byte, limit int, into []byte) (out []byte, err error) {
	r, err := xz.NewReader(bytes.NewReader(data), maxDictionary)
	if err == nil {
		r.Multistream(false) // the size follows the image of a kernel
		out, err = ReadAll(members{r, func() error {
			err := r.Reset(nil) // continue with the same input
			if err == nil {
				r.Multistream(false)
			}
			return err
		}}, limit, into)
	}
	if errors.Is(err, xz.ErrOptions) {
		err = fmt.Errorf("%w (of the filters, those for arm64 and riscv are not known)", err)
	}
	return out, err
}

func unpackLZMA(data []byte, limit int, into []byte) ([]byte, error) {
	r, err := lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return ReadAll(r, limit, into)
}

// zstdDecoders are kept for the next file, because each has a window of memory.
var zstdDecoders sync.Pool

func unpackZstd(data []byte, limit int, into []byte) ([]byte, error) {
	r, kept := zstdDecoders.Get().(*zstd.Decoder)
	if !kept {
		var err error
		if r, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(maxDictionary)); err != nil {
			return nil, err
		}
	}
	if err := r.Reset(bytes.NewReader(data)); err != nil {
		return nil, err
	}
	out, err := ReadAll(r, limit, into)
	if r.Reset(nil) == nil {
		zstdDecoders.Put(r)
	}
	return out, err
}
