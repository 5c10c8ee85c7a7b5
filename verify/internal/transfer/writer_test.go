package transfer

import (
	"errors"
	"slices"
	"testing"
)

// counting takes all writes, but fails one at the offset bad after one byte.
type counting struct {
	bad  int64
	size int64
}

var errBroken = errors.New("broken")

func (c *counting) WriteAt(b []byte, at int64) (int, error) {
	if at == c.bad {
		return 1, errBroken
	}
	c.size += int64(len(b))
	return len(b), nil
}

// TestWriterBeginsWhatIsInOrder: once 8 MiB lie behind one another, they are on
// their way; what is out of order waits.
func TestWriterBeginsWhatIsInOrder(t *testing.T) {
	const MiB = 1 << 20
	for name, test := range map[string]struct {
		at    []int64 // in MiB; each write has one
		begun []Part  // in MiB
	}{
		"in order":     {[]int64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, []Part{{0, 8}, {8, 8}}},
		"not at zero":  {[]int64{3, 4, 5, 6, 7, 8, 9, 10, 11}, []Part{{3, 8}}},
		"with a gap":   {[]int64{0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}, []Part{{0, 9}, {9, 8}}},
		"with gaps":    {[]int64{0, 2, 4, 6, 8, 10, 12, 14, 16}, []Part{{0, 15}}},
		"a large gap":  {[]int64{0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 16}, []Part{{9, 8}}},
		"out of order": {[]int64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, nil},
		"too few":      {[]int64{0, 1, 2, 3, 4, 5, 6}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			to := &counting{bad: -1}
			w := NewWriter(to)
			var begun []Part
			w.begin = func(offset, length int64) { begun = append(begun, Part{offset / MiB, length / MiB}) }
			for _, at := range test.at {
				if n, err := w.WriteAt(make([]byte, MiB), at*MiB); n != MiB || err != nil {
					t.Fatal(n, err)
				}
			}
			if !slices.Equal(begun, test.begun) || to.size != int64(len(test.at))*MiB {
				t.Errorf("begun %v, want %v; %d bytes written", begun, test.begun, to.size)
			}
		})
	}
	w := NewWriter(&counting{bad: 5})
	if n, err := w.WriteAt(make([]byte, 4), 5); n != 1 || !errors.Is(err, errBroken) {
		t.Errorf("a write that fails: %d, %v", n, err)
	}
	if w.behind != (Part{5, 1}) || w.written != 1 {
		t.Errorf("of a write that failed after one byte, %v waits", w.behind)
	}
}
