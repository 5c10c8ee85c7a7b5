// Again: the device after a state was activated, took more exceptions and
// crashed again.

package crash

import (
	"bytes"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// Overwritten is the byte that fills origin chunks written after the first
// crash.
const Overwritten = 0xa5

// Continue simulates a kernel that activates the store in a region. The kernel
// overwrites origin chunks that no exception names, one after the other, in the
// explorer's order. The overlay then is what a second crash leaves. The error
// wraps ErrNoStore if the region holds no store.
func (o *Overlay) Continue(k allocator.Kernel, origin, store Region, done FollowUp) error {
	_, err := o.ContinueTold(k, origin, store, done)
	return err
}

// ContinueTold is Continue, and returns the origin chunks that it wrote to.
func (o *Overlay) ContinueTold(k allocator.Kernel, origin, store Region, done FollowUp) ([]cow.Chunk, error) {
	at, err := origin.span(o.log.SectorSize)
	if err != nil {
		return nil, err
	}
	to, err := store.span(o.log.SectorSize)
	if err != nil {
		return nil, err
	}
	header := make([]byte, o.log.SectorSize)
	if err := o.readBlock(header, to.first); err != nil {
		return nil, err
	}
	chunk, ok := chunkSizeIn(header)
	if !ok {
		return nil, fmt.Errorf("region %v: %w", store, ErrNoStore)
	}
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return nil, err
	}
	c := &continued{Overlay: o, origin: at, store: to, bounds: g.BoundsOf(store.bytes(), origin.bytes())}
	err = c.run(k, done)
	return c.touched, err
}

// continued is an overlay under the model of a kernel.
type continued struct {
	*Overlay
	origin, store span
	bounds        cow.Bounds
	named         map[cow.Chunk]bool
	touched       []cow.Chunk     // of the origin
	rest          []cow.Exception // of the last area, from the terminator on
}

func (c *continued) run(k allocator.Kernel, done FollowUp) error {
	c.named = map[cow.Chunk]bool{}
	m, err := allocator.Activate(k, c.bounds, c.readArea, c.write)
	if err != nil {
		return fmt.Errorf("activating the store: %w", err)
	}
	plan := newFollowUps(c.rest, func(old cow.Chunk) bool { return c.named[old] }, cow.Chunk(c.bounds.OriginChunks), done.Stale)
	for step := range done.Commits + 1 {
		if step == done.Commits && !done.Copied {
			break
		}
		old, ok := plan.next()
		if !ok {
			return fmt.Errorf("exceptions name every chunk of the origin")
		}
		c.named[old] = true
		c.touched = append(c.touched, old)
		if err := c.overwrite(m, old, step < done.Commits); err != nil {
			return err
		}
	}
	return nil
}

// readArea reads an area for the model, and notes the origin chunks in it.
func (c *continued) readArea(number uint64, buf []byte) error {
	at := c.store.first*c.log.SectorSize + c.bounds.Geometry.RecordOffset(number, 0)
	if _, err := c.ReadAt(buf, int64(at)); err != nil {
		return err
	}
	c.rest = nil
	for _, e := range cow.Exceptions(buf) {
		switch {
		case e.Terminates() || c.rest != nil:
			c.rest = append(c.rest, e)
		default:
			c.named[e.Old] = true
		}
	}
	return nil
}

func (c *continued) write(op allocator.Op) error {
	data := op.Data
	if op.Kind == allocator.ZeroArea {
		data = make([]byte, c.bounds.Geometry.ChunkBytes())
	}
	c.put(c.store.first+uint64(op.Chunk)*c.perChunk(), data)
	return nil
}

func (c *continued) perChunk() uint64 {
	return uint64(c.bounds.Geometry.ChunkBytes()) / c.log.SectorSize
}

func (c *continued) put(block uint64, data []byte) {
	for ss := c.log.SectorSize; len(data) > 0; block, data = block+1, data[ss:] {
		c.extra[block] = bytes.Clone(data[:ss])
	}
}

// overwrite copies a chunk out and, unless the crash comes before, commits its
// exception and overwrites it.
func (c *continued) overwrite(m *allocator.Model, old cow.Chunk, commit bool) error {
	copied, ok := m.Start(old)
	if !ok {
		return fmt.Errorf("the store is full at chunk %d", m.NextFree())
	}
	first := c.origin.first + uint64(old)*c.perChunk()
	data := make([]byte, min(c.perChunk(), c.origin.end-first)*c.log.SectorSize)
	if _, err := c.ReadAt(data, int64(first*c.log.SectorSize)); err != nil && err != io.EOF {
		return err
	}
	c.put(c.store.first+uint64(copied.New)*c.perChunk(), data)
	if !commit {
		return nil
	}
	if err := m.Finish(copied); err != nil {
		return err
	}
	c.put(first, bytes.Repeat([]byte{Overwritten}, len(data)))
	return nil
}
