//go:build linux && kernel

// Stores that a real kernel has active and writes to.

package verify_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

const writableName = "oracle-writable"

// activeStore is a fresh store of a snapshot whose origin can be written to.
type activeStore struct {
	t      *testing.T
	store  *blockdev.File // through the page cache
	direct *blockdev.File
	origin *blockdev.File
}

func newActiveStore(t *testing.T) *activeStore {
	t.Helper()
	l := newLab(t)
	g, err := cow.NewGeometry(8)
	if err != nil {
		t.Fatal(err)
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	end := func(name string) {
		t.Cleanup(func() {
			if err := remove(name); err != nil {
				t.Errorf("removing %s: %v", name, err)
			}
		})
	}
	d, err := l.device(g, g.ChunksIn(cowReal), 0)
	check(err)
	end(cowName)
	check(d.write(cowtest.Store{Chunk: 8, DeviceChunks: g.ChunksIn(cowReal)}))
	_, _, err = l.activate(d, originBytes)
	check(err)
	end(snapName)
	writable, err := create(writableName, originTable(l.origin))
	check(err)
	end(writableName)

	a := &activeStore{t: t}
	a.store, err = blockdev.Open(d.path)
	check(err)
	a.direct, err = a.store.Direct()
	check(err)
	a.origin, err = blockdev.OpenWriter(writable)
	check(err)
	t.Cleanup(func() {
		for _, f := range []*blockdev.File{a.store, a.direct, a.origin} {
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return a
}

// copyChunk makes the kernel copy a chunk of the origin to the store.
func (a *activeStore) copyChunk(c int64) error {
	if _, err := a.origin.WriteAt(make([]byte, 4096), c*4096); err != nil {
		return err
	}
	return a.origin.Flush()
}

func (a *activeStore) judge(from *blockdev.File) *verify.Report {
	a.t.Helper()
	r, err := verify.Verify(context.Background(), from, from.Size(), verify.Options{
		Live: func(context.Context) (verify.Moment, error) {
			line, err := status(snapName)
			m := verify.Moment{Status: line, Quiet: true} // writes are flushed before the next moment
			if err == nil {
				_, err = fmt.Sscanf(line, "%d/%d %d", new(uint64), new(uint64), &m.Metadata)
			}
			return m, err
		},
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

// TestLiveStoreIsReadPastThePageCache reads an active store, makes the kernel
// write to it, and reads it again: the second reading must not use the page
// cache that the first one filled.
func TestLiveStoreIsReadPastThePageCache(t *testing.T) {
	a := newActiveStore(t)
	for copied := range int64(5) {
		a.judge(a.store) // fills the page cache
		r := a.judge(a.direct)
		if r.Usage.Exceptions != uint64(copied) || r.Verdict != verify.Clean || !r.Live.Settled {
			t.Fatalf("after %d copies: verdict %s, %d exceptions, live %+v", copied, r.Verdict, r.Usage.Exceptions, r.Live)
		}
		if err := a.copyChunk(copied); err != nil {
			t.Fatal(err)
		}
	}
	if stale := a.judge(a.store).Usage.Exceptions; stale == 5 {
		t.Logf("the page cache follows the kernel's writes here: buffered reads saw all %d exceptions", stale)
	}
}

// TestLiveStoreIsNeverCalledDamaged judges a store repeatedly while the kernel
// adds exceptions to it, past the end of an area.
func TestLiveStoreIsNeverCalledDamaged(t *testing.T) {
	a := newActiveStore(t)
	stop := make(chan struct{})
	var writer sync.WaitGroup
	var written int64
	writer.Go(func() {
		for written = 0; written < 400; written++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := a.copyChunk(written); err != nil {
				t.Error(err)
				return
			}
		}
	})
	last := uint64(0)
	for range 15 {
		r := a.judge(a.direct)
		if r.Verdict != verify.Clean || r.Usage.Exceptions < last {
			t.Errorf("verdict %s with %d exceptions after %d, counts %v, live %+v", r.Verdict, r.Usage.Exceptions, last, r.Counts, r.Live)
		}
		last = r.Usage.Exceptions
	}
	close(stop)
	writer.Wait()
	if r := a.judge(a.direct); r.Usage.Exceptions != uint64(written) || !r.Live.Settled || written == 0 {
		t.Errorf("%d exceptions at rest, %d chunks were written; live %+v", r.Usage.Exceptions, written, r.Live)
	}
}
