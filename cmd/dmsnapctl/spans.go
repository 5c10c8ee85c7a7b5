// Ranges as JSON.

package main

import (
	"bufio"
	"iter"
	"strconv"

	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// writeSpans writes the elements of a JSON array, and returns the length of all
// of them. It stops at the first error.
func writeSpans(w *bufio.Writer, spans iter.Seq2[image.Span, error]) (bytes int64, err error) {
	var b []byte
	for s, err := range spans {
		if err != nil {
			return 0, err
		}
		b = b[:0]
		if bytes > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(append(b, `{"offset":`...), s.Offset, 10)
		b = strconv.AppendInt(append(b, `,"length":`...), s.Length, 10)
		if _, err := w.Write(append(b, '}')); err != nil {
			return 0, err
		}
		bytes += s.Length
	}
	return bytes, nil
}
