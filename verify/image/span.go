package image

import (
	"iter"
)

// Span is a range of bytes of an image or an origin.
type Span struct {
	Offset int64 `json:"offset"`
	Length int64 `json:"length"`
}

// End is the offset of the first byte after the span.
func (s Span) End() int64 { return s.Offset + s.Length }

// merged joins spans that touch or overlap. They must come sorted by offset.
func merged(in iter.Seq2[Span, error]) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		var held Span
		for s, err := range in {
			if err != nil {
				yield(Span{}, err)
				return
			}
			switch {
			case s.Length == 0:
			case held.Length == 0:
				held = s
			case s.Offset <= held.End():
				held.Length = max(held.End(), s.End()) - held.Offset
			default:
				if !yield(held, nil) {
					return
				}
				held = s
			}
		}
		if held.Length != 0 {
			yield(held, nil)
		}
	}
}

// union merges two sorted sequences of spans into one.
func union(a, b iter.Seq2[Span, error]) iter.Seq2[Span, error] {
	return merged(func(yield func(Span, error) bool) {
		next, stop := iter.Pull2(b)
		defer stop()
		other, err, more := next()
		for s, errA := range a {
			if errA != nil {
				yield(Span{}, errA)
				return
			}
			for more && err == nil && other.Offset < s.Offset {
				if !yield(other, nil) {
					return
				}
				other, err, more = next()
			}
			if more && err != nil {
				yield(Span{}, err)
				return
			}
			if !yield(s, nil) {
				return
			}
		}
		for more {
			if !yield(other, err) || err != nil {
				return
			}
			other, err, more = next()
		}
	})
}

// without yields the parts of an image of size bytes that no span covers. The
// spans must be sorted and must not overlap.
func without(spans iter.Seq2[Span, error], size int64) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		at := int64(0)
		for s, err := range spans {
			if err != nil {
				yield(Span{}, err)
				return
			}
			if s.Offset > at && !yield(Span{at, s.Offset - at}, nil) {
				return
			}
			at = max(at, s.End())
		}
		if at < size {
			yield(Span{at, size - at}, nil)
		}
	}
}

// widened rounds spans outwards to multiples of unit, within size, and joins
// those that then touch.
func widened(spans iter.Seq2[Span, error], unit, size int64) iter.Seq2[Span, error] {
	return merged(func(yield func(Span, error) bool) {
		for s, err := range spans {
			if err != nil {
				yield(Span{}, err)
				return
			}
			start := s.Offset / unit * unit
			end := s.End()
			if rest := end % unit; rest != 0 {
				end = min(size, end+min(unit-rest, size-end))
			}
			if !yield(Span{start, end - start}, nil) {
				return
			}
		}
	})
}
