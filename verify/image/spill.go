package image

import (
	"container/heap"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sort"
	"sync"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// spill sorts more extents than fit in memory: it writes sorted parts to an
// unnamed file and merges them into another.
type spill struct {
	dir   string
	file  *os.File
	parts []int64 // where each part ends, in extents
}

// spillBuffer is the size of a read or write, in bytes.
const spillBuffer = 64 << 10

func newSpill(dir string) (*spill, error) {
	f, err := nameless(dir)
	if err != nil {
		return nil, err
	}
	return &spill{dir: dir, file: f}, nil
}

// nameless returns a file that vanishes when it is closed.
func nameless(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "image-index-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (s *spill) close() error { return s.file.Close() }

func (s *spill) at() int64 {
	if len(s.parts) == 0 {
		return 0
	}
	return s.parts[len(s.parts)-1]
}

// addSorted writes a sorted part.
func (s *spill) addSorted(part []extent) error {
	w := extentWriter{file: s.file, at: s.at()}
	for _, e := range part {
		if err := w.add(e); err != nil {
			return err
		}
	}
	if err := w.flush(); err != nil {
		return err
	}
	s.parts = append(s.parts, w.at)
	return nil
}

// extentWriter appends extents to a file.
type extentWriter struct {
	file *os.File
	at   int64 // extents written
	buf  []byte
}

func (w *extentWriter) add(e extent) error {
	w.buf = binary.LittleEndian.AppendUint64(w.buf, uint64(e.old))
	w.buf = binary.LittleEndian.AppendUint64(w.buf, e.place)
	if len(w.buf) < spillBuffer {
		return nil
	}
	return w.flush()
}

func (w *extentWriter) flush() error {
	if _, err := w.file.WriteAt(w.buf, w.at*extentBytes); err != nil {
		return fmt.Errorf("the index: %w", err)
	}
	w.at += int64(len(w.buf) / extentBytes)
	w.buf = w.buf[:0]
	return nil
}

func decodeExtent(b []byte) extent {
	return extent{cow.Chunk(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])}
}

// stored yields extents first to end of a file.
func stored(f *os.File, first, end int64) iter.Seq2[extent, error] {
	return func(yield func(extent, error) bool) {
		r := io.NewSectionReader(f, first*extentBytes, (end-first)*extentBytes)
		buf := make([]byte, spillBuffer/4)
		for {
			n, err := io.ReadFull(r, buf)
			for b := buf[:n]; len(b) >= extentBytes; b = b[extentBytes:] {
				if !yield(decodeExtent(b), nil) {
					return
				}
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return
			}
			if err != nil {
				yield(extent{}, fmt.Errorf("the index: %w", err))
				return
			}
		}
	}
}

// part is a sorted part during a merge.
type part struct {
	now  extent
	next func() (extent, error, bool)
	stop func()
}

// parts is a heap, ordered by each part's next extent.
type parts []*part

func (p parts) Len() int           { return len(p) }
func (p parts) Less(i, j int) bool { return byOld(p[i].now, p[j].now) < 0 }
func (p parts) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *parts) Push(x any)        { *p = append(*p, x.(*part)) }
func (p *parts) Pop() any {
	last := (*p)[len(*p)-1]
	*p = (*p)[:len(*p)-1]
	return last
}

// merge merges all parts into an index and discards them.
func (s *spill) merge(twice func(cow.Chunk, uint64)) (index, error) {
	out, err := nameless(s.dir)
	if err != nil {
		return nil, err
	}
	ix := &onDisk{file: out, cached: map[int64][]extent{}}
	w := extentWriter{file: out}
	var failed error
	sorted := s.sorted(&failed)
	for e := range settle(sorted, twice) {
		if ix.n%pageExtents == 0 {
			ix.fences = append(ix.fences, e.old)
		}
		ix.n++
		if err := w.add(e); err != nil {
			return nil, errors.Join(err, out.Close())
		}
	}
	if err := errors.Join(failed, w.flush(), s.close()); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return ix, nil
}

// sorted yields all extents of all parts, in order, up to the first error.
func (s *spill) sorted(failed *error) iter.Seq[extent] {
	return func(yield func(extent) bool) {
		var queue parts
		defer func() {
			for _, p := range queue {
				p.stop()
			}
		}()
		first := int64(0)
		for _, end := range s.parts {
			p := &part{}
			p.next, p.stop = iter.Pull2(stored(s.file, first, end))
			first = end
			if !advance(p, failed) {
				p.stop()
				continue
			}
			queue = append(queue, p)
		}
		heap.Init(&queue)
		for len(queue) > 0 && *failed == nil {
			p := queue[0]
			if !yield(p.now) {
				return
			}
			if advance(p, failed) {
				heap.Fix(&queue, 0)
			} else {
				heap.Pop(&queue)
				p.stop()
			}
		}
	}
}

func advance(p *part, failed *error) (more bool) {
	e, err, more := p.next()
	if err != nil {
		*failed = err
		return false
	}
	p.now = e
	return more
}

// onDisk is an index in a file. Memory holds the first chunk of each page, and
// some pages.
type onDisk struct {
	file   *os.File
	n      int64 // extents
	fences []cow.Chunk

	mu     sync.Mutex
	cached map[int64][]extent
}

const (
	pageExtents = 1024
	mostPages   = 256
)

func (x *onDisk) close() error { return x.file.Close() }

func (x *onDisk) from(old cow.Chunk) iter.Seq2[extent, error] {
	return func(yield func(extent, error) bool) {
		// The last page that starts at or before old. The extent may
		// be its last one or lie in the next page.
		page := int64(sort.Search(len(x.fences), func(i int) bool { return x.fences[i] > old })) - 1
		for page = max(0, page); page*pageExtents < x.n; page++ {
			extents, err := x.page(page)
			if err != nil {
				yield(extent{}, err)
				return
			}
			for e := range memory(extents).from(old) {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

func (x *onDisk) page(page int64) ([]extent, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if p, ok := x.cached[page]; ok {
		return p, nil
	}
	first := page * pageExtents
	buf := make([]byte, min(pageExtents, x.n-first)*extentBytes)
	if _, err := x.file.ReadAt(buf, first*extentBytes); err != nil {
		return nil, fmt.Errorf("the index: %w", err)
	}
	out := make([]extent, 0, len(buf)/extentBytes)
	for ; len(buf) > 0; buf = buf[extentBytes:] {
		out = append(out, decodeExtent(buf))
	}
	for old := range x.cached {
		if len(x.cached) < mostPages {
			break
		}
		delete(x.cached, old)
	}
	x.cached[page] = out
	return out, nil
}
