package image

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Bmap is a block map for bmaptool, format 2.0. bmaptool copies only the blocks
// in the map.
type Bmap struct {
	ImageSize int64 // bytes
	BlockSize int64 // bytes; spans are multiples of it, except at the image's end
	Spans     iter.Seq2[Span, error]
	// Content, if not nil, has the image's bytes. Each range then gets a
	// checksum, which bmaptool checks during the copy.
	Content io.ReaderAt
}

// WriteTo writes the map. It iterates over the spans three times, because the
// counts and a checksum of the map come before the ranges.
func (m Bmap) WriteTo(w io.Writer) (int64, error) {
	blocks, err := m.mapped()
	if err != nil {
		return 0, err
	}
	self := sha256.New()
	if err := m.write(self, blocks, strings.Repeat("0", 2*sha256.Size)); err != nil {
		return 0, err
	}
	counted := &countingWriter{w: w}
	err = m.write(counted, blocks, hex.EncodeToString(self.Sum(nil)))
	return counted.n, err
}

func (m Bmap) mapped() (blocks int64, err error) {
	for s, err := range m.Spans {
		if err != nil {
			return 0, err
		}
		blocks += covering(s.End(), m.BlockSize) - s.Offset/m.BlockSize
	}
	return blocks, nil
}

func (m Bmap) write(w io.Writer, mapped int64, self string) error {
	_, err := fmt.Fprintf(w, `<?xml version="1.0" ?>
<bmap version="2.0">
    <ImageSize> %d </ImageSize>
    <BlockSize> %d </BlockSize>
    <BlocksCount> %d </BlocksCount>
    <MappedBlocksCount> %d </MappedBlocksCount>
    <ChecksumType> sha256 </ChecksumType>
    <BmapFileChecksum> %s </BmapFileChecksum>
    <BlockMap>
`, m.ImageSize, m.BlockSize, covering(m.ImageSize, m.BlockSize), mapped, self)
	if err != nil {
		return err
	}
	if err := m.writeRanges(w); err != nil {
		return err
	}
	_, err = io.WriteString(w, "    </BlockMap>\n</bmap>\n")
	return err
}

// bmapPiece is how much of the ranges is written at once, in bytes: they can be
// millions.
const bmapPiece = 32 << 10

func (m Bmap) writeRanges(w io.Writer) error {
	var b []byte
	for s, err := range m.Spans {
		if err == nil {
			b, err = m.appendRange(b, s)
		}
		if err != nil {
			return err
		}
		if len(b) >= bmapPiece {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
	}
	_, err := w.Write(b)
	return err
}

func (m Bmap) appendRange(b []byte, s Span) ([]byte, error) {
	b = append(b, "        <Range"...)
	if m.Content != nil {
		sum, err := sumOf(m.Content, s)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, ` chksum="`...), sum...), '"')
	}
	first, last := s.Offset/m.BlockSize, covering(s.End(), m.BlockSize)-1
	b = strconv.AppendInt(append(b, '>'), first, 10)
	if last > first {
		b = strconv.AppendInt(append(b, '-'), last, 10)
	}
	return append(b, "</Range>\n"...), nil
}

func sumOf(r io.ReaderAt, s Span) (string, error) {
	sum := sha256.New()
	if n, err := io.Copy(sum, io.NewSectionReader(r, s.Offset, s.Length)); err != nil || n != s.Length {
		return "", fmt.Errorf("the range at %d: %d of %d bytes read: %w", s.Offset, n, s.Length, noEOF(err))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func noEOF(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
