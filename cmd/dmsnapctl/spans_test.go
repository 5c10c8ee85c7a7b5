package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

func spansOf(list []image.Span, err error) iter.Seq2[image.Span, error] {
	return func(yield func(image.Span, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
		if err != nil {
			yield(image.Span{}, err)
		}
	}
}

// spanLists are lists of ranges: of few and many digits, of equal and of
// different lengths, with offsets on both sides of where more digits change.
func spanLists() (lists [][]image.Span) {
	lists = append(lists, nil, []image.Span{{Offset: 0, Length: 4096}}, []image.Span{{Offset: math.MaxInt64 - 1, Length: 1}})
	for _, start := range []int64{0, lowerUnit - 3*8192, 10*lowerUnit - 3*8192, 1 << 50} {
		for _, n := range []int{6, spanBatch, 2*spanBatch + 1} {
			var list []image.Span
			for i := range n {
				list = append(list, image.Span{Offset: start + int64(i)*8192, Length: 4096})
			}
			lists = append(lists, list)
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	for _, apart := range []int64{20, 1 << 20, 1 << 40} {
		var list []image.Span
		at := int64(0)
		for range 20000 {
			s := image.Span{Offset: at + random.Int64N(apart), Length: 1 + random.Int64N(3)}
			list, at = append(list, s), s.End()+1
		}
		lists = append(lists, list)
	}
	return lists
}

// TestSpansAsText compares with fmt.
func TestSpansAsText(t *testing.T) {
	for i, list := range spanLists() {
		var lines, elements []string
		total := int64(0)
		for _, s := range list {
			lines = append(lines, fmt.Sprintf("%d %d\n", s.Offset, s.Length))
			elements = append(elements, fmt.Sprintf(`{"offset":%d,"length":%d}`, s.Offset, s.Length))
			total += s.Length
		}
		for _, size := range []int{16, 1000, 64 << 10} { // of the buffer
			for _, broken := range []error{nil, errors.New("broken")} {
				var got bytes.Buffer
				w := bufio.NewWriterSize(&got, size)
				err := writeSpanLines(w, spansOf(list, broken))
				if errFlush := w.Flush(); err != broken || errFlush != nil || got.String() != strings.Join(lines, "") {
					t.Errorf("list %d, a buffer of %d bytes: %v, %v, or other lines", i, size, err, errFlush)
				}
				got.Reset()
				w.WriteString("[")
				n, err := writeSpans(w, spansOf(list, broken))
				if errFlush := w.Flush(); err != broken || errFlush != nil || got.String() != "["+strings.Join(elements, ",") {
					t.Errorf("list %d, a buffer of %d bytes: %v, %v, or other elements", i, size, err, errFlush)
				}
				if broken == nil && n != total {
					t.Errorf("list %d: %d bytes, want %d", i, n, total)
				}
			}
		}
	}
}

// fullAfter takes a number of bytes.
type fullAfter struct{ left int }

var errFull = errors.New("full")

func (f *fullAfter) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// TestSpansEndWithTheirWriter: nothing looks for ranges that cannot be written.
func TestSpansEndWithTheirWriter(t *testing.T) {
	for _, room := range []int{0, 100_000, 1 << 20} {
		ended := false
		endless := func(yield func(image.Span, error) bool) {
			defer func() { ended = true }()
			for at := int64(0); yield(image.Span{Offset: at, Length: 1}, nil); at += 2 {
			}
		}
		if err := writeSpanLines(bufio.NewWriterSize(&fullAfter{room}, 4096), endless); !errors.Is(err, errFull) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
		if !ended {
			t.Errorf("room for %d bytes: ranges are still looked for", room)
		}
	}
}
