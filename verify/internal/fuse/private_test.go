package fuse

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
)

// TestPrivateIsAFileOfItsOwn compares an image with private writes with a
// slice of bytes, and checks that no write reaches the image below.
func TestPrivateIsAFileOfItsOwn(t *testing.T) {
	const size = 5*blockBytes + 700
	rapid.Check(t, func(t *rapid.T) {
		below := make([]byte, size)
		for i := range below {
			below[i] = byte(i>>8) ^ byte(i)
		}
		want, kept := bytes.Clone(below), bytes.Clone(below)
		p := NewPrivate(bytes.NewReader(below), size, "")
		defer p.Close()
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			off := rapid.Int64Range(0, size).Draw(t, "off")
			n := rapid.Int64Range(0, min(size-off, 3*blockBytes)).Draw(t, "n")
			b := make([]byte, n)
			if rapid.Bool().Draw(t, "write") {
				for i := range b {
					b[i] = rapid.Byte().Draw(t, "first byte") + byte(i)
					if i > 0 {
						b[i] = b[0] + byte(i)
					}
				}
				if got, err := p.WriteAt(b, off); got != int(n) || err != nil {
					t.Fatalf("write %d at %d: %d, %v", n, off, got, err)
				}
				copy(want[off:], b)
				continue
			}
			if got, err := p.ReadAt(b, off); got != int(n) || err != nil || !bytes.Equal(b, want[off:off+n]) {
				t.Fatalf("read %d at %d: %d, %v", n, off, got, err)
			}
		}
		all := make([]byte, size+10)
		if n, err := p.ReadAt(all, 0); n != size || err != io.EOF || !bytes.Equal(all[:size], want) {
			t.Fatalf("the whole image: %d bytes, %v", n, err)
		}
		if !bytes.Equal(below, kept) {
			t.Fatal("a write reached what lies below")
		}
	})
}

func TestPrivateRefusesWritesBeyondTheEnd(t *testing.T) {
	p := NewPrivate(bytes.NewReader(make([]byte, 100)), 100, t.TempDir())
	defer p.Close()
	for _, at := range []int64{-1, 98, 100, 101, 1 << 62} {
		if n, err := p.WriteAt([]byte("abc"), at); n != 0 || err == nil {
			t.Errorf("write at %d: %d, %v", at, n, err)
		}
	}
	if _, err := p.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a read at -1 succeeds")
	}
}

// TestPrivateFails: if the image below cannot be read, or a write cannot be
// stored, that is an error, and the image does not change.
func TestPrivateFails(t *testing.T) {
	broken := errors.New("broken")
	p := NewPrivate(failing{broken}, 3*blockBytes, t.TempDir())
	defer p.Close()
	if _, err := p.WriteAt([]byte("abc"), 5); !errors.Is(err, broken) {
		t.Errorf("write of a part of a block that cannot be read: %v", err)
	}
	if _, err := p.WriteAt(make([]byte, blockBytes), 0); err != nil {
		t.Errorf("write of a whole block: %v", err)
	}
	if _, err := p.ReadAt(make([]byte, blockBytes), 0); err != nil {
		t.Errorf("read of what was written: %v", err)
	}
	if n, err := p.ReadAt(make([]byte, 2*blockBytes), 0); n != blockBytes || !errors.Is(err, broken) {
		t.Errorf("read over the written block: %d, %v", n, err)
	}
	nowhere := NewPrivate(bytes.NewReader(make([]byte, 10)), 10, "/nonexistent")
	if _, err := nowhere.WriteAt([]byte("abc"), 0); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("write without a place for it: %v", err)
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }
