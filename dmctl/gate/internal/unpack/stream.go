package unpack

// Unpacking as a stream, for data that is too large for memory. After a packed
// part was read to its end, the source is just after it, as more may follow.

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// Source is data that is read from the front, with a look at what comes next.
type Source struct{ *bufio.Reader }

// NewSource returns a source that reads from r.
func NewSource(r io.Reader) *Source { return &Source{bufio.NewReaderSize(r, 64<<10)} }

// xzStream reads one stream. Its decoder has its own buffer, and gets one byte
// at a time, so that it takes at most one byte more than it needs: a stream
// ends with "YZ".
type xzStream struct {
	source *Source
	last   [2]byte
	r      *xz.Reader
}

func newXZ(s *Source) (io.Reader, error) {
	x := &xzStream{source: s}
	var err error
	if x.r, err = xz.NewReader(xzBytes{x}, maxDictionary); err != nil {
		return nil, err
	}
	x.r.Multistream(false)
	return x, nil
}

func (x *xzStream) Read(b []byte) (int, error) {
	n, err := x.r.Read(b)
	if err == io.EOF && x.last != [2]byte{'Y', 'Z'} {
		if err := x.source.UnreadByte(); err != nil {
			return n, err
		}
		x.last = [2]byte{'Y', 'Z'}
	}
	return n, err
}

// xzBytes is the input of the decoder.
type xzBytes struct{ x *xzStream }

func (o xzBytes) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	c, err := o.x.source.ReadByte()
	if err != nil {
		return 0, err
	}
	o.x.last = [2]byte{o.x.last[1], c}
	b[0] = c
	return 1, nil
}

// bzip2Stream reads consecutive files. Its decoder takes two bytes too many,
// and treats what they are as an error. If they are zeros they are lost;
// anything else is missing for the next reader.
type bzip2Stream struct{ r io.Reader }

func (z bzip2Stream) Read(b []byte) (int, error) {
	n, err := z.r.Read(b)
	if err == bzip2.StructuralError("bad magic value in continuation file") {
		err = io.EOF
	}
	return n, err
}

// stream opens the packed part at the position of the source.
type stream struct {
	name  string
	magic string
	open  func(*Source) (io.Reader, error)
}

var streams = []stream{
	{"gzip", "\x1f\x8b\x08", func(s *Source) (io.Reader, error) {
		r, err := gzip.NewReader(s)
		if err == nil {
			r.Multistream(false)
		}
		return r, err
	}},
	{"xz", "\xfd7zXZ\x00", newXZ},
	{"zstd", zstdMagic, func(s *Source) (io.Reader, error) {
		r, err := zstd.NewReader(&zstdFrame{source: s},
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderMaxMemory(maxDictionary))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	}},
	{"bzip2", "BZh", func(s *Source) (io.Reader, error) { return bzip2Stream{bzip2.NewReader(s)}, nil }},
	{"lz4", lz4Legacy, func(s *Source) (io.Reader, error) { return lz4.NewReader(&lz4Frame{source: s}), nil }},
	{"lz4", "\x04\x22\x4d\x18", func(s *Source) (io.Reader, error) { return lz4.NewReader(s), nil }},
	{"lzo", lzopMagic, func(s *Source) (io.Reader, error) { return newLZOP(s) }},
	{"lzma", lzmaStart, func(s *Source) (io.Reader, error) {
		return lzma.ReaderConfig{DictCap: maxDictionary}.NewReader(s)
	}},
}

// lzmaStart begins .lzma files: the default properties, and a dictionary that
// is a multiple of 64 KiB.
const lzmaStart = "\x5d\x00\x00"

// Stream is the unpacked content of the packed part at a source's position.
type Stream struct {
	// Name is the format's name.
	Name string
	r    io.Reader
}

// ErrNotPacked means that the source is not at packed data.
var ErrNotPacked = errors.New("not packed, or in an unknown way")

// Next opens the packed part at the position of the source. When that part was
// read to its end, the source is after it.
func (s *Source) Next() (_ *Stream, err error) {
	defer recoverTo(&err)
	const longest = 9
	head, err := s.Peek(longest)
	if len(head) == 0 {
		return nil, err
	}
	for _, f := range streams {
		if !bytes.HasPrefix(head, []byte(f.magic)) {
			continue
		}
		r, err := f.open(s)
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", f.name, err)
		}
		return &Stream{f.name, r}, nil
	}
	return nil, ErrNotPacked
}

// Read reads unpacked data. A decoder's panic becomes an error.
func (s *Stream) Read(b []byte) (n int, err error) {
	defer recoverTo(&err)
	n, err = s.r.Read(b)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("unpacking %s: %w", s.Name, err)
	}
	return n, err
}

// Close frees the decoder's resources.
func (s *Stream) Close() error {
	if c, ok := s.r.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

func recoverTo(err *error) {
	if fault := recover(); fault != nil {
		*err = fmt.Errorf("corrupt data: %v", fault)
	}
}
