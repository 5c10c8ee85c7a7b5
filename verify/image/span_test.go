package image

import (
	"errors"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func spansOf(s []Span) iter.Seq2[Span, error] {
	return func(yield func(Span, error) bool) {
		for _, s := range s {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func anySpans(t *rapid.T, label string) []Span {
	spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Span {
		return Span{rapid.Int64Range(0, 90).Draw(t, "offset"), rapid.Int64Range(0, 10).Draw(t, "length")}
	}), 0, 12).Draw(t, label)
	slices.SortFunc(spans, func(a, b Span) int { return int(a.Offset - b.Offset) })
	return spans
}

// covers returns the bytes that spans cover. It fails if the spans are not
// sorted or touch.
func covers(t *rapid.T, spans iter.Seq2[Span, error]) (out [101]bool) {
	end := int64(-1)
	for s, err := range spans {
		if err != nil || s.Length <= 0 || s.Offset <= end {
			t.Fatalf("span %+v behind %d, %v", s, end, err)
		}
		end = s.End()
		for i := s.Offset; i < end; i++ {
			out[i] = true
		}
	}
	return out
}

func naive(sets ...[]Span) (out [101]bool) {
	for _, spans := range sets {
		for _, s := range spans {
			for i := s.Offset; i < s.End(); i++ {
				out[i] = true
			}
		}
	}
	return out
}

func TestSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anySpans(t, "a"), anySpans(t, "b")
		if covers(t, merged(spansOf(a))) != naive(a) {
			t.Fatal("merged")
		}
		if covers(t, union(spansOf(a), spansOf(b))) != naive(a, b) {
			t.Fatal("union")
		}
		want := naive(a)
		for i := range want {
			want[i] = !want[i] && i < 100
		}
		if covers(t, without(merged(spansOf(a)), 100)) != want {
			t.Fatal("without")
		}
		unit := rapid.Int64Range(1, 30).Draw(t, "unit")
		want = naive(a)
		for i := range want {
			start := int64(i) / unit * unit
			for k := start; k < start+unit && k <= 100; k++ {
				want[i] = want[i] || naive(a)[k]
			}
			want[i] = want[i] && i < 100
		}
		if covers(t, widened(merged(spansOf(a)), unit, 100)) != want {
			t.Fatal("widened")
		}
	})
}

func TestSpansPassErrorsOn(t *testing.T) {
	bad := func(yield func(Span, error) bool) {
		_ = yield(Span{0, 1}, nil) && yield(Span{}, errBroken)
	}
	good := spansOf([]Span{{0, 2}, {50, 1}})
	for name, spans := range map[string]iter.Seq2[Span, error]{
		"merged": merged(bad), "left": union(bad, good), "right": union(good, bad),
		"without": without(bad, 9), "widened": widened(bad, 4, 9), "cut": cut(bad),
	} {
		var last error
		for _, err := range spans {
			last = err
		}
		if !errors.Is(last, errBroken) {
			t.Errorf("%s ends with %v", name, last)
		}
	}
}
