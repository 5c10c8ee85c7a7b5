package transfer

import (
	"context"
	"iter"
	"sync"
)

// WindowBytes is the most that a Load reads. Ahead has up to windows of them in
// memory.
const (
	WindowBytes = 4 << 20
	windows     = 4
)

// Part is a run of bytes of the target of a transfer.
type Part struct{ Offset, Length int64 } // in bytes

// End is the offset of the first byte after the part.
func (p Part) End() int64 { return p.Offset + p.Length }

// Load is what is read at once: parts of the target, one after the other, of
// WindowBytes at most together.
type Load struct {
	Parts []Part
	Read  func(b []byte) error // fills b; may run beside other reads
}

// Bytes is how much a load reads.
func (l Load) Bytes() (n int64) {
	for _, p := range l.Parts {
		n += p.Length
	}
	return n
}

// buffers are those of windows. A new one costs thousands of page faults.
var buffers = sync.Pool{New: func() any { return new([WindowBytes]byte) }}

// window is a load in memory.
type window struct {
	Load
	buf  *[WindowBytes]byte // nil until the first load
	err  error
	done chan struct{} // of capacity 1
}

// Ahead reads loads, several at once, and passes their parts on in order. While
// take has one, the next ones are read. The slice that take gets is overwritten
// afterwards. No read is in flight when Ahead returns.
func Ahead(ctx context.Context, loads iter.Seq2[Load, error], take func(at int64, b []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	all, spare, ordered := make([]window, windows), make(chan *window, windows), make(chan *window, windows)
	for i := range all {
		all[i].done = make(chan struct{}, 1)
		spare <- &all[i]
	}
	defer free(all)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	var failed error
	workers.Go(func() {
		defer close(ordered)
		failed = begin(ctx, loads, spare, ordered, &workers)
	})
	for w := range ordered {
		if err := w.pass(ctx, take); err != nil {
			return err
		}
		spare <- w
	}
	if failed != nil {
		return failed
	}
	return ctx.Err()
}

// begin starts to read each load as soon as there is a window for it.
func begin(ctx context.Context, loads iter.Seq2[Load, error], spare <-chan *window, ordered chan<- *window, workers *sync.WaitGroup) error {
	for l, err := range loads {
		if err != nil {
			return err
		}
		select {
		case w := <-spare:
			w.Load = l
			if w.buf == nil {
				w.buf = buffers.Get().(*[WindowBytes]byte)
			}
			ordered <- w // there is room for all windows
			workers.Go(func() {
				w.err = w.Read(w.buf[:w.Bytes()])
				w.done <- struct{}{}
			})
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// pass waits for a window and passes on its parts.
func (w *window) pass(ctx context.Context, take func(at int64, b []byte) error) error {
	select {
	case <-w.done:
	case <-ctx.Done():
		return ctx.Err()
	}
	if w.err != nil {
		return w.err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b := w.buf[:]
	for _, p := range w.Parts {
		if err := take(p.Offset, b[:p.Length]); err != nil {
			return err
		}
		b = b[p.Length:]
	}
	return nil
}

// free makes the windows' memory available to the next transfer.
func free(all []window) {
	for _, w := range all {
		if w.buf != nil {
			buffers.Put(w.buf)
		}
	}
}
