package blockdev

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProbe(t *testing.T) {
	const size = 1<<20 + 1000
	for _, m := range magics {
		dev := make([]byte, size)
		off := m.offset
		switch {
		case off < 0 && off >= -1024:
			off += 1<<20 + 512 // whole sectors
		case off < 0:
			off += 1 << 20
		}
		copy(dev[off:], m.bytes)
		got, err := Probe(bytes.NewReader(dev), size)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Signature{{m.name, off}}, got); diff != "" {
			t.Errorf("%s at %d: %s", m.name, m.offset, diff)
		}
	}
}

func TestProbeNothing(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 4096, 1 << 20} {
		got, err := Probe(bytes.NewReader(make([]byte, size)), size)
		if err != nil || len(got) != 0 {
			t.Errorf("%d zeros: %v, %v", size, got, err)
		}
	}
}

var errRead = errors.New("medium error")

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) { return 0, errRead }

func TestProbeReadError(t *testing.T) {
	if _, err := Probe(failing{}, 1<<20); err != errRead {
		t.Errorf("error %v, want the reader's", err)
	}
}

func TestFirstNonZero(t *testing.T) {
	const size = 2*directPiece + 1000
	for _, at := range []int64{-1, 0, 511, directPiece - 1, directPiece, size - 1} {
		dev := make([]byte, size)
		if at >= 0 {
			dev[at] = 1
		}
		if got, err := FirstNonZero(bytes.NewReader(dev), size); got != at || err != nil {
			t.Errorf("byte %d is not zero: found %d, %v", at, got, err)
		}
	}
	if got, err := FirstNonZero(bytes.NewReader([]byte{0, 0, 1}), 2); got != -1 || err != nil {
		t.Errorf("behind what was asked for: found %d, %v", got, err)
	}
	if got, err := FirstNonZero(failing{}, 0); got != -1 || err != nil {
		t.Errorf("nothing asked for: %d, %v", got, err)
	}
	if _, err := FirstNonZero(failing{}, 1); err != errRead {
		t.Errorf("error %v, want the reader's", err)
	}
}

// TestIsZero: a byte counts wherever it is, also past the first page.
func TestIsZero(t *testing.T) {
	for _, n := range []int{0, 1, 511, 4096, 4097, 64 << 10} {
		b := make([]byte, n)
		if !IsZero(b) {
			t.Errorf("%d zeros are not zero", n)
		}
		for _, at := range []int{0, n / 2, n - 1} {
			if n == 0 {
				break
			}
			b[at] = 1
			if IsZero(b) {
				t.Errorf("byte %d of %d is not seen", at, n)
			}
			b[at] = 0
		}
	}
}
