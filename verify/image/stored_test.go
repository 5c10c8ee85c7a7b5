package image

import (
	"bytes"
	"context"
	"io"
	"syscall"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// noted is a reader that notes where it is read, with an unreadable part.
type noted struct {
	io.ReaderAt
	bad Span
	at  *[]int64
}

func (n noted) ReadAt(b []byte, off int64) (int, error) {
	if n.at != nil {
		*n.at = append(*n.at, off)
	}
	if off < n.bad.End() && off+int64(len(b)) > n.bad.Offset {
		return 0, syscall.EIO
	}
	return n.ReaderAt.ReadAt(b, off)
}

// TestCopyStored passes on everything that has changed, for any store.
func TestCopyStored(t *testing.T) {
	for seed, l := range []layout{
		{chunk: 8, origin: 3<<20 + 512, changed: 700, mixed: true},
		{chunk: 8, origin: 9 << 20, changed: 2304, leaked: 40, mixed: true},
		{chunk: 8, origin: 1 << 20, changed: 100},
		{chunk: 1, origin: 100 << 10, changed: 90, mixed: true},
		{chunk: 16384, origin: 20<<20 + 512, changed: 3, mixed: true}, // larger than a window
	} {
		f := newFixture(t, uint64(seed), l)
		im, _, err := Open(context.Background(), f.source(), Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := bytes.Clone(f.origin)
		total := int64(0)
		err = im.CopyStored(context.Background(), func(at int64, b []byte) error {
			total += int64(len(b))
			copy(got[at:], b)
			return nil
		})
		want, errLength := Length(im.Changed())
		if err != nil || errLength != nil || total != want || !bytes.Equal(got[:im.Size()], f.image[:im.Size()]) {
			t.Errorf("%+v: %v, %v, %d bytes of %d, the same image: %v", l, err, errLength, total, want, bytes.Equal(got, f.image))
		}
	}
}

// TestCopyStoredReadsInOrder: a store in the canonical layout is read once,
// from beginning to end, in long pieces, no matter how the origin was written.
func TestCopyStoredReadsInOrder(t *testing.T) {
	f := newFixture(t, 1, layout{chunk: 8, origin: 8 << 20, changed: 2048, mixed: true})
	// The places in order, the origin's chunks as they come.
	g, err := cow.NewGeometry(f.spec.Chunk)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.spec.Exceptions {
		f.spec.Exceptions[i].New = g.DataChunk(uint64(i))
	}
	src := f.source()
	src.Store = bytes.NewReader(f.spec.Bytes())
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var at []int64
	im.store = noted{ReaderAt: src.Store, at: &at}
	for l, err := range im.storedLoads(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Read(make([]byte, l.Bytes())); err != nil {
			t.Fatal(err)
		}
	}
	for i := range at[1:] {
		if at[i+1] <= at[i] {
			t.Errorf("read at %d after %d", at[i+1], at[i])
		}
	}
	if len(at) > 12 { // 8 MiB by 1 MiB
		t.Errorf("8 MiB in %d reads", len(at))
	}
}

// TestWhatLiesBetweenNeedNotBeReadable: this concerns chunks that no exception
// names.
func TestWhatLiesBetweenNeedNotBeReadable(t *testing.T) {
	f := newFixture(t, 5, layout{chunk: 8, origin: 1 << 20, changed: 100, leaked: 30, mixed: true})
	named := map[int64]bool{}
	for _, e := range f.spec.Exceptions {
		named[int64(e.New)] = true
	}
	leaked := int64(2)
	for named[leaked] {
		leaked++
	}
	src := f.source()
	src.Store = noted{ReaderAt: src.Store, bad: Span{leaked * 4096, 4096}}
	im, _, err := Open(context.Background(), src, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, im.Size())
	if _, err := im.ReadAt(got, 0); err != nil || !bytes.Equal(got, f.image) {
		t.Errorf("%v, or another image", err)
	}
}
