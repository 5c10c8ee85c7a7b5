package transfer

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// numbered yields n loads of one byte each, its number; failing changes their
// reads. It counts the reads that have begun.
func numbered(n int, begun *atomic.Int32, failing map[int]error) iter.Seq2[Load, error] {
	return func(yield func(Load, error) bool) {
		for i := range n {
			l := Load{Parts: []Part{{int64(i), 1}}, Read: func(b []byte) error {
				begun.Add(1)
				b[0] = byte(i)
				return failing[i]
			}}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// TestAheadReadsWhileOneWrites: during each take all other windows are read,
// and no more; everything comes in order.
func TestAheadReadsWhileOneWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, windows = 12, 4
		var begun atomic.Int32
		next := 0
		err := Ahead(t.Context(), numbered(n, &begun, nil), func(at int64, b []byte) error {
			synctest.Wait()
			if got, want := int(begun.Load()), min(next+windows, n); got != want {
				t.Errorf("%d reads have begun with load %d, want %d", got, next, want)
			}
			if at != int64(next) || len(b) != 1 || b[0] != byte(next) {
				t.Errorf("load %d: %v at %d", next, b, at)
			}
			next++
			return nil
		})
		if err != nil || next != n {
			t.Errorf("%v after %d", err, next)
		}
	})
}

// TestAheadStops: what failed ends a transfer in its turn, and nothing is read
// or taken afterwards.
func TestAheadStops(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		failing  map[int]error
		takeAt   int // this take fails
		cancelAt int // this take cancels
		loadsAt  int // the loads end with an error here
		taken    []int64
		want     error
	}{
		"a read":         {failing: map[int]error{2: broken}, takeAt: -1, cancelAt: -1, loadsAt: -1, taken: []int64{0, 1}, want: broken},
		"the first read": {failing: map[int]error{0: broken}, takeAt: -1, cancelAt: -1, loadsAt: -1, want: broken},
		"a take":         {takeAt: 1, cancelAt: -1, loadsAt: -1, taken: []int64{0, 1}, want: broken},
		"the caller":     {takeAt: -1, cancelAt: 2, loadsAt: -1, taken: []int64{0, 1, 2}, want: context.Canceled},
		"the loads":      {takeAt: -1, cancelAt: -1, loadsAt: 3, taken: []int64{0, 1, 2}, want: broken},
		"no loads":       {takeAt: -1, cancelAt: -1, loadsAt: 0, want: broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var begun atomic.Int32
				loads := func(yield func(Load, error) bool) {
					n := 0
					for l := range numbered(99, &begun, test.failing) {
						if n == test.loadsAt {
							yield(Load{}, broken)
							return
						}
						if n++; !yield(l, nil) {
							return
						}
					}
				}
				var taken []int64
				err := Ahead(ctx, loads, func(at int64, _ []byte) error {
					taken = append(taken, at)
					if at == int64(test.cancelAt) {
						cancel()
					}
					if at == int64(test.takeAt) {
						return broken
					}
					return nil
				})
				if !errors.Is(err, test.want) || !slices.Equal(taken, test.taken) {
					t.Errorf("%v after %v, want %v after %v", err, taken, test.want, test.taken)
				}
				after := begun.Load()
				synctest.Wait()
				if begun.Load() != after {
					t.Error("reads go on")
				}
			})
		})
	}
}

// TestAheadWaitsForItsReads: the caller may close what is read.
func TestAheadWaitsForItsReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		release, began, returned := make(chan struct{}), make(chan struct{}), make(chan error)
		loads := func(yield func(Load, error) bool) {
			yield(Load{Parts: []Part{{0, 1}}, Read: func([]byte) error { close(began); <-release; return nil }}, nil)
		}
		go func() { returned <- Ahead(ctx, loads, func(int64, []byte) error { return nil }) }()
		<-began
		cancel()
		synctest.Wait()
		select {
		case err := <-returned:
			t.Errorf("returned %v during a read", err)
			close(release)
		default:
			close(release)
			if err := <-returned; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
	})
}
