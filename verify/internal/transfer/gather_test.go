package transfer

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"pgregory.net/rapid"
)

// noted is a reader that notes its reads, with an unreadable part.
type noted struct {
	b        []byte
	bad, end int64
	reads    [][]byte // the slices that were read into
	at       []int64
}

func (n *noted) ReadAt(p []byte, off int64) (int, error) {
	n.reads, n.at = append(n.reads, p), append(n.at, off)
	if off < n.end && off+int64(len(p)) > n.bad {
		return 0, syscall.EIO
	}
	return bytes.NewReader(n.b).ReadAt(p, off)
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i ^ i>>8 ^ i>>16)
	}
	return b
}

// TestScattered: a load reads any moves, with neighbours in the target
// together.
func TestScattered(t *testing.T) {
	device := pattern(4 << 20)
	rapid.Check(t, func(t *rapid.T) {
		var moves []Move
		var want []byte
		to := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "moves") {
			m := Move{From: 512 * rapid.Int64Range(0, 8191-64).Draw(t, "from"), Length: 512 * rapid.Int64Range(1, 64).Draw(t, "length")}
			if len(moves) > 0 && rapid.Bool().Draw(t, "next") {
				last := moves[len(moves)-1]
				m.From = min(last.From+last.Length, int64(len(device))-m.Length)
			}
			m.To = to + 512*rapid.Int64Range(0, 1).Draw(t, "gap")
			to = m.To + m.Length
			moves, want = append(moves, m), append(want, device[m.From:][:m.Length]...)
		}
		l := Scattered(bytes.NewReader(device), moves)
		got := make([]byte, l.Bytes())
		if err := l.Read(got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%v, or other bytes", err)
		}
		at := int64(0)
		for i, p := range l.Parts {
			if i > 0 && p.Offset <= l.Parts[i-1].End() {
				t.Fatalf("the parts %+v could be one, or overlap", l.Parts[i-1:i+1])
			}
			for n := int64(0); n < p.Length; at++ {
				if moves[at].To != p.Offset+n {
					t.Fatalf("move %d goes to %d, and its bytes to %d", at, moves[at].To, p.Offset+n)
				}
				n += moves[at].Length
			}
		}
	})
}

// TestNeighboursNeedNoCopy: what is together on the device and in the buffer is
// read into the buffer, at once.
func TestNeighboursNeedNoCopy(t *testing.T) {
	r := &noted{b: pattern(1 << 20)}
	b := make([]byte, 1<<20)
	var segments []Segment
	for at := int64(0); at < 1<<20; at += 4096 {
		segments = append(segments, Segment{From: at, To: at, Length: 4096})
	}
	if err := Gather(r, b, segments); err != nil || !bytes.Equal(b, r.b) {
		t.Fatalf("%v, or other bytes", err)
	}
	if len(r.reads) != 1 || unsafe.SliceData(r.reads[0]) != unsafe.SliceData(b) {
		t.Errorf("%d reads, or not into the buffer", len(r.reads))
	}
}

// TestReadsAreJoined over a small gap, not over a large one, and not for more
// than fits in the scratch buffer.
func TestReadsAreJoined(t *testing.T) {
	for _, test := range []struct {
		from []int64
		want []int64 // where the reads are
	}{
		{[]int64{8192, 0}, []int64{0}},
		{[]int64{0, 4096 + mostGap}, []int64{0}},
		{[]int64{0, 4096 + mostGap + 512}, []int64{0, 4096 + mostGap + 512}},
		{[]int64{0, 0}, []int64{0}},
	} {
		r, b := &noted{b: pattern(1 << 20)}, make([]byte, 8192)
		segments := []Segment{{test.from[0], 4096, 4096}, {test.from[1], 0, 4096}}
		if err := Gather(r, b, segments); err != nil || len(r.at) != len(test.want) || r.at[0] != test.want[0] {
			t.Errorf("%d: %v, reads at %d, want %d", test.from, err, r.at, test.want)
		}
	}
	cached := &noted{b: pattern(1 << 20)}
	segments := []Segment{{16384, 4096, 4096}, {0, 0, 4096}, {20480, 8192, 4096}}
	if err := GatherCached(cached, make([]byte, 12288), segments); err != nil || len(cached.at) != 2 {
		t.Errorf("out of the page cache: %v, reads at %d", err, cached.at)
	}
	var many []Segment
	for at := int64(0); at < 2*mostSpan; at += 8192 {
		many = append(many, Segment{at, at / 2, 4096})
	}
	r := &noted{b: pattern(2 * mostSpan)}
	if err := Gather(r, make([]byte, mostSpan), many); err != nil || len(r.at) != 2 {
		t.Errorf("%v, %d reads of 2 MiB", err, len(r.at))
	}
}

// TestGapsNeedNotBeReadable, but what is named must be.
func TestGapsNeedNotBeReadable(t *testing.T) {
	r, b := &noted{b: pattern(1 << 20), bad: 4096, end: 8192}, make([]byte, 8192)
	if err := Gather(r, b, []Segment{{0, 0, 4096}, {8192, 4096, 4096}}); err != nil || !bytes.Equal(b[4096:], r.b[8192:][:4096]) {
		t.Errorf("%v, or other bytes", err)
	}
	err := Gather(r, b, []Segment{{0, 0, 4096}, {4096, 4096, 4096}})
	if !errors.Is(err, syscall.EIO) {
		t.Error(err)
	}
	err = Gather(r, b, []Segment{{0, 4096, 4096}, {4608, 0, 512}})
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "at 4608:") {
		t.Error(err)
	}
	if err := Gather(r, b, []Segment{{1<<20 - 512, 0, 1024}}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("past the end: %v", err)
	}
}
