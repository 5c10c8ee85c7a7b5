// The layout of the logged device: where the origin and its stores lie, and
// what each block and each log entry means to them.

package crash

import (
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// kind is what an entry does.
type kind uint8

const (
	elsewhere kind = iota // outside all regions, or a mark
	flushes
	commits  // a write of an area, with FUA
	metadata // a header, or the zeroing of an area
	copies   // data in a COW store: a copy, or a write to the snapshot
	origins  // a write to the origin
)

var kindNames = [...]string{"other", "flush", "commit", "metadata", "copy", "origin write"}

func (k kind) String() string { return kindNames[k] }

// place is what a block of the disk is.
type place uint8

const (
	nowhere place = iota
	inOrigin
	inHeader // the first block of chunk 0
	inArea
	inData // the rest of the COW region, except that of chunk 0
)

// layout is where everything lies, in blocks of the log.
type layout struct {
	blockBytes uint64
	origin     span
	stores     []storeLayout
}

// storeLayout is where a COW store lies, and its geometry.
type storeLayout struct {
	span
	perChunk uint64 // blocks
	bounds   cow.Bounds
	sizes    []size // what the device had before it grew
}

// newLayout determines the layout. A store's header gives its chunk size.
func newLayout(l *logwrites.Log, b base, opt *Options) (*layout, error) {
	origin, err := opt.Origin.span(l.SectorSize)
	if err != nil {
		return nil, fmt.Errorf("the origin: %w", err)
	}
	out := &layout{blockBytes: l.SectorSize, origin: origin}
	for _, region := range opt.COW {
		s, err := newStoreLayout(l, b, opt, region)
		if err != nil {
			return nil, fmt.Errorf("the COW store at %v: %w", region.inBlocks(l.SectorSize), err)
		}
		out.stores = append(out.stores, s)
	}
	return out, nil
}

func newStoreLayout(l *logwrites.Log, b base, opt *Options, region Region) (s storeLayout, err error) {
	if s.span, err = region.span(l.SectorSize); err != nil {
		return s, err
	}
	chunk, err := findChunkSize(l, b, opt.mark, s.first)
	if err != nil {
		return s, err
	}
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return s, err
	}
	if s.perChunk = uint64(g.ChunkBytes()) / l.SectorSize; s.perChunk == 0 {
		return s, fmt.Errorf("its chunks of %s are smaller than a block of the device (%d bytes)", count.Of(chunk, "sector"), l.SectorSize)
	}
	s.sizes = opt.grown[region.Start]
	s.bounds = g.BoundsOf(region.bytes(), opt.Origin.bytes())
	return s, nil
}

// ErrNoStore is returned if neither the log nor the base image has a store's
// header at the start of the COW region.
var ErrNoStore = errors.New("no store there: neither the base image nor an entry of the log has a header at the region's first sector")

// chunkAt is the store's chunk that contains a block of its region.
func (s *storeLayout) chunkAt(block uint64) cow.Chunk {
	return cow.Chunk((block - s.first) / s.perChunk)
}

// blockOf is the first block of a chunk.
func (s *storeLayout) blockOf(c cow.Chunk) uint64 { return s.first + uint64(c)*s.perChunk }

// placeOf says what a block of a store's region is.
func (s *storeLayout) placeOf(block uint64) place {
	switch c := s.chunkAt(block); {
	case block == s.first:
		return inHeader
	case c == 0 || !s.bounds.OnDevice(c):
		return nowhere
	case s.bounds.Geometry.IsMetadata(c):
		return inArea
	default:
		return inData
	}
}

// parts visits the pieces of a run of blocks that lie in the origin (store -1)
// and in the stores.
func (l *layout) parts(run span, visit func(part span, store int)) {
	if part := l.origin.clip(run.first, run.end-run.first); part.first < part.end {
		visit(part, -1)
	}
	for i := range l.stores {
		if part := l.stores[i].clip(run.first, run.end-run.first); part.first < part.end {
			visit(part, i)
		}
	}
}

// kindOf says what an entry does, and to which store.
func (l *layout) kindOf(e logwrites.Entry) (k kind, store int) {
	if !e.Writes() {
		if e.Flags&logwrites.Flush != 0 {
			k = flushes
		}
		return k, 0
	}
	var seen [inData + 1]bool
	l.parts(span{e.Sector, e.Sector + e.Sectors}, func(part span, n int) {
		if n < 0 {
			seen[inOrigin] = true
			return
		}
		store = n
		l.stores[n].placesIn(part, &seen)
	})
	switch {
	case seen[inHeader], seen[inArea] && (e.Flags&logwrites.FUA == 0 || seen[inData] || seen[inOrigin]):
		k = metadata
	case seen[inArea]:
		k = commits
	case seen[inData]:
		k = copies
	case seen[inOrigin]:
		k = origins
	case e.Flags&logwrites.Flush != 0:
		k = flushes
	}
	return k, store
}

// placesIn records what the blocks of a part of the region are.
func (s *storeLayout) placesIn(part span, seen *[inData + 1]bool) {
	if part.first == s.first {
		seen[inHeader] = true
	}
	g := s.bounds.Geometry
	first, last := max(1, s.chunkAt(part.first)), s.chunkAt(part.end-1)
	if s.bounds.Areas() == 0 || !s.bounds.OnDevice(first) {
		return
	}
	last = min(last, cow.Chunk(s.bounds.DeviceChunks-1))
	switch {
	case first > last:
	case g.IsMetadata(first):
		seen[inArea] = true
		seen[inData] = seen[inData] || first < last
	default:
		seen[inData] = true
		seen[inArea] = seen[inArea] || g.AreaChunk(g.AreaOf(first)+1) <= last
	}
}
