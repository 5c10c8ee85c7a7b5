package transfer

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// Segment is a run of bytes on a device, and the place in a buffer to read it
// to.
type Segment struct {
	From   int64 // on the device, in bytes
	To     int64 // in the buffer
	Length int64
}

// Move is bytes to read from a device, and where they go in the target.
type Move struct{ From, To, Length int64 }

// Scattered returns the load that reads moves from r, with neighbours in the
// target together. They must come in the order of the target.
func Scattered(r io.ReaderAt, moves []Move) Load {
	var l Load
	segments, behind := make([]Segment, len(moves)), int64(0)
	for i, m := range moves {
		segments[i] = Segment{From: m.From, To: behind, Length: m.Length}
		behind += m.Length
		if last := len(l.Parts) - 1; last >= 0 && l.Parts[last].End() == m.To {
			l.Parts[last].Length += m.Length
		} else {
			l.Parts = append(l.Parts, Part{m.To, m.Length})
		}
	}
	l.Read = func(b []byte) error { return Gather(r, b, segments) }
	return l
}

// Reads from a disk are joined if the gap between them is small: many small reads
// cost more than reading the gap. Out of the page cache they do not.
const (
	mostGap  = 64 << 10 // bytes
	mostSpan = 1 << 20  // bytes
)

// scratch are buffers of mostSpan bytes, for reads with a gap.
var scratch = sync.Pool{New: func() any { return new([mostSpan]byte) }}

// Gather reads segments into b, in the order of the device, and reorders the
// slice. What lies between the segments need not be readable.
func Gather(r io.ReaderAt, b []byte, segments []Segment) error {
	return gather(r, b, segments, mostGap)
}

// GatherCached is Gather from what is in the page cache: it leaves every gap out.
func GatherCached(r io.ReaderAt, b []byte, segments []Segment) error {
	return gather(r, b, segments, 0)
}

// gather leaves out gaps of more than gap bytes.
func gather(r io.ReaderAt, b []byte, segments []Segment, gap int64) error {
	slices.SortFunc(segments, func(a, b Segment) int { return cmp.Compare(a.From, b.From) })
	segments = joined(segments)
	for len(segments) > 0 {
		n, end := nearby(segments, gap)
		if err := readNearby(r, b, segments[:n], end); err != nil {
			return err
		}
		segments = segments[n:]
	}
	return nil
}

// joined joins sorted segments that are neighbours on the device and in the
// buffer: they need no copy.
func joined(segments []Segment) []Segment {
	out := segments[:0]
	for _, s := range segments {
		if n := len(out); n > 0 && out[n-1].From+out[n-1].Length == s.From && out[n-1].To+out[n-1].Length == s.To {
			out[n-1].Length += s.Length
		} else {
			out = append(out, s)
		}
	}
	return out
}

// nearby is how many sorted segments are read at once, and where they end on
// the device.
func nearby(segments []Segment, gap int64) (n int, end int64) {
	first := segments[0].From
	end = first + segments[0].Length
	for n = 1; n < len(segments); n++ {
		s := segments[n]
		if s.From-end > gap || s.From+s.Length-first > mostSpan {
			break
		}
		end = max(end, s.From+s.Length)
	}
	return n, end
}

// readNearby reads segments up to end at once; one by one if that fails, because
// the gap may be what cannot be read.
func readNearby(r io.ReaderAt, b []byte, segments []Segment, end int64) error {
	first := segments[0].From
	if len(segments) > 1 {
		all := scratch.Get().(*[mostSpan]byte)
		defer scratch.Put(all)
		if blockdev.ReadFull(r, all[:end-first], first) == nil {
			for _, s := range segments {
				copy(b[s.To:][:s.Length], all[s.From-first:])
			}
			return nil
		}
	}
	for _, s := range segments {
		if err := blockdev.ReadFull(r, b[s.To:][:s.Length], s.From); err != nil {
			return fmt.Errorf("at %d: %w", s.From, err)
		}
	}
	return nil
}
