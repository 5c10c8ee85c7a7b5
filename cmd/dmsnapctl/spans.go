// Ranges as text: lines, and elements of a JSON array.

package main

import (
	"bufio"
	"iter"
	"strconv"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

// writeSpans writes the elements of a JSON array, and returns the length of all
// of them. It stops at the first error.
func writeSpans(w *bufio.Writer, spans iter.Seq2[image.Span, error]) (bytes int64, err error) {
	t := spanText{separator: ',', before: `{"offset":`, between: `,"length":`, after: "}"}
	return t.write(w, spans)
}

// writeSpanLines writes a line for each range, and stops at the first error.
func writeSpanLines(w *bufio.Writer, spans iter.Seq2[image.Span, error]) error {
	t := spanText{between: " ", after: "\n"}
	_, err := t.write(w, spans)
	return err
}

// spanText writes ranges as text. They can be millions, and most of those that do
// not join differ from the one before only in the last digits of their offset:
// then only these are written anew.
type spanText struct {
	separator              byte   // between ranges; 0 for none
	before, between, after string // the offset and the length

	last   []byte // the text of the last range
	length int64  // of the last range
	upper  int64  // its offset without the lower digits
	lower  int    // where in the text the lower digits are
}

const (
	lowerDigits = 8
	lowerUnit   = 100_000_000
	// longestSpan is more than the text of a range takes, in bytes.
	longestSpan = 128
)

func (t *spanText) write(w *bufio.Writer, spans iter.Seq2[image.Span, error]) (bytes int64, err error) {
	for batch, err := range inBatches(spans) {
		n, errWrite := t.writeBatch(w, batch, bytes == 0)
		if errWrite != nil {
			return 0, errWrite
		}
		if err != nil {
			return 0, err
		}
		bytes += n
	}
	return bytes, nil
}

// writeBatch writes ranges; first says that nothing was written before them.
func (t *spanText) writeBatch(w *bufio.Writer, batch []image.Span, first bool) (bytes int64, err error) {
	b := w.AvailableBuffer()
	for _, s := range batch {
		if cap(b)-len(b) < longestSpan {
			if _, err := w.Write(b); err != nil {
				return 0, err
			}
			if err := w.Flush(); err != nil {
				return 0, err
			}
			b = w.AvailableBuffer()
		}
		if t.separator != 0 && !first {
			b = append(b, t.separator)
		}
		b, first = t.append(b, s), false
		bytes += s.Length
	}
	_, err = w.Write(b)
	return bytes, err
}

// append appends the text of a range.
func (t *spanText) append(b []byte, s image.Span) []byte {
	upper := s.Offset / lowerUnit
	if upper == 0 || upper != t.upper || s.Length != t.length {
		t.last = strconv.AppendInt(append(t.last[:0], t.before...), s.Offset, 10)
		t.upper, t.length, t.lower = upper, s.Length, len(t.last)-lowerDigits
		t.last = strconv.AppendInt(append(t.last, t.between...), s.Length, 10)
		t.last = append(t.last, t.after...)
	} else {
		putDigits(t.last[t.lower:t.lower+lowerDigits], uint32(s.Offset%lowerUnit))
	}
	return append(b, t.last...)
}

// pairs are the numbers below 100 with two digits each.
var pairs = func() (p [200]byte) {
	for i := range 100 {
		p[2*i], p[2*i+1] = byte('0'+i/10), byte('0'+i%10)
	}
	return p
}()

// putDigits fills b, of an even length, with the last digits of n.
func putDigits(b []byte, n uint32) {
	for i := len(b) - 2; i >= 0; i -= 2 {
		pair := n % 100 * 2
		n /= 100
		b[i], b[i+1] = pairs[pair], pairs[pair+1]
	}
}

const (
	spanBatch   = 4096 // ranges
	spanBatches = 3    // in memory
)

// foundSpans are ranges, and the error that comes after them.
type foundSpans struct {
	spans []image.Span
	err   error
}

// inBatches yields ranges many at a time, and an error together with those
// before it. While the caller has a batch, the next ones are found. Nothing looks
// for any when the loop over the batches has ended.
func inBatches(spans iter.Seq2[image.Span, error]) iter.Seq2[[]image.Span, error] {
	return func(yield func([]image.Span, error) bool) {
		found, spare, enough := make(chan foundSpans), make(chan []image.Span, spanBatches), make(chan struct{})
		for range spanBatches {
			spare <- nil
		}
		var finder sync.WaitGroup
		defer finder.Wait()
		defer close(enough)
		finder.Go(func() {
			defer close(found)
			findSpans(spans, spare, found, enough)
		})
		for f := range found {
			if !yield(f.spans, f.err) {
				return
			}
			spare <- f.spans[:0] // there is room for all
		}
	}
}

func findSpans(spans iter.Seq2[image.Span, error], spare <-chan []image.Span, found chan<- foundSpans, enough <-chan struct{}) {
	batch := <-spare
	pass := func(err error) (more bool) {
		select {
		case found <- foundSpans{batch, err}:
		case <-enough:
			return false
		}
		select {
		case batch = <-spare:
			return true
		case <-enough:
			return false
		}
	}
	for s, err := range spans {
		if err != nil {
			pass(err)
			return
		}
		if batch = append(batch, s); len(batch) == spanBatch && !pass(nil) {
			return
		}
	}
	pass(nil)
}
