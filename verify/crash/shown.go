// What states show: the images for a checker, each once per epoch. Images are
// told apart by hashes of their blocks, and read from the log and the base
// image on demand.

package crash

import (
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// View is the part of a state that an image shows.
type View string

// The views: what the snapshot of each store shows, what the origin holds, and
// the whole disk.
const (
	SnapshotView View = "snapshot"
	OriginView   View = "origin"
	DiskView     View = "disk"
)

// Shown is a state whose image was not seen before in its epoch. It stays
// readable, also concurrently, while the log and the base image are open.
type Shown struct {
	State State
	View  View
	Store int // index of the snapshot's store, else 0
	// Key is the same for the same image, and differs for different ones. It
	// may differ for equal images if epochs between two states were not
	// explored.
	Key uint64
	// Disk is the logged device in this state, of DiskSize bytes.
	Disk     io.ReaderAt
	DiskSize int64
}

// gallery finds the images that states show, for Options.Show.
type gallery struct {
	v     *visitor
	epoch interval
	cells []cell            // written by the epoch, each once
	seen  map[uint64]bool   // in this epoch
	at    []uint64          // by store: hash of the image when the epoch begins
	next  int               // first entry of the epoch that at is for
	fresh uint64            // counts unique hashes
	size  uint64            // of the device, in bytes
	touch map[cell]struct{} // scratch
}

func newGallery(v *visitor) *gallery {
	return &gallery{v: v, at: make([]uint64, len(v.stores)), next: never, size: v.deviceBytes(), touch: map[cell]struct{}{}}
}

// begin prepares for the states of an epoch, or of another part of one.
func (g *gallery) begin(e interval) {
	if g.seen != nil && g.epoch == e {
		return
	}
	if g.next != e.from {
		for i := range g.at {
			g.at[i] = g.unlike()
		}
	}
	g.epoch, g.seen, g.cells = e, map[uint64]bool{}, g.cells[:0]
	clear(g.touch)
	for i := range g.v.steps {
		for _, w := range g.v.steps[i].writes {
			if _, known := g.touch[w.cell]; !known {
				g.touch[w.cell] = struct{}{}
				g.cells = append(g.cells, w.cell)
			}
		}
	}
}

// unlike returns a unique hash.
func (g *gallery) unlike() uint64 {
	g.fresh++
	return mix(^uint64(0), g.fresh)
}

// end records the image after the epoch is durable. The disk must be in the
// state with all its entries.
func (g *gallery) end() {
	for i, s := range g.v.stores {
		g.at[i] ^= g.change(s)
	}
	for i := g.epoch.from; i < g.epoch.to; i++ { // the rest of the disk is not tracked
		if g.v.opt.View == DiskView && g.v.kinds[i] == elsewhere && g.v.log.Entry(i).Writes() {
			for k := range g.at {
				g.at[k] ^= g.unlike()
			}
		}
	}
	g.next = g.epoch.to
}

// look shows the images of the state that the disk is in, unless they are
// known.
func (g *gallery) look() {
	for i, s := range g.v.stores {
		if g.v.opt.View != SnapshotView && i > 0 {
			return
		}
		d := s.verdict()
		if g.v.opt.View == SnapshotView && (!s.frozen || d.state != valid || d.corrupt) {
			continue // no such snapshot
		}
		key := mix(g.at[i]^g.change(s), uint64(i))
		if g.seen[key] {
			continue
		}
		if len(g.seen) < maxDistinct {
			g.seen[key] = true
		}
		g.v.opt.Show(g.shown(i, key))
	}
}

// change hashes what differs from the image when the epoch began.
func (g *gallery) change(s *store) (sum uint64) {
	d := g.v.disk
	if g.v.opt.View == SnapshotView {
		return s.imageChange()
	}
	for _, c := range g.cells {
		if d.content[c] != d.durable[c] && (g.v.opt.View == DiskView || d.roles[c].place == inOrigin) {
			sum ^= mix(d.blocks[c], uint64(d.content[c])) ^ mix(d.blocks[c], uint64(d.durable[c]))
		}
	}
	return sum
}

// imageChange hashes what the snapshot shows differently from when the epoch
// began.
func (s *store) imageChange() (sum uint64) {
	for _, o := range s.changed {
		was := o.cells
		if o.before != nil {
			was = o.before.cells
		}
		for i, c := range o.holder()[:len(o.want)] {
			before, now := s.durable[was[i]], s.content[c]
			if before != now {
				block := uint64(o.number)*s.perChunk + uint64(i)
				sum ^= mix(block, uint64(before)) ^ mix(block, uint64(now))
			}
		}
	}
	return sum
}

// shown returns the state that the disk is in.
func (g *gallery) shown(store int, key uint64) *Shown {
	r := g.v.epoch
	d := &stateDisk{history: g.v.history, durable: r.from, over: map[uint64]int{}}
	for n := range r.choices {
		for i := r.choices[n].pieces.from; i < r.choices[n].pieces.to; i++ {
			if r.on[i] { // the later durable write wins
				d.over[g.v.blocks[r.pieces[i].cell]] = r.choices[n].entry
			}
		}
	}
	if g.v.opt.View != SnapshotView {
		store = 0
	}
	return &Shown{State: r.name(), View: g.v.opt.View, Store: store, Key: key, Disk: d, DiskSize: int64(g.size)}
}

// deviceBytes is the end of the known part of the logged device.
func (h *history) deviceBytes() uint64 {
	ss := h.layout.blockBytes
	size := max(h.base.size, h.layout.origin.end*ss)
	for _, s := range h.layout.stores {
		size = max(size, s.end*ss)
	}
	for _, e := range h.log.Entries() {
		if end := e.Sector + e.Sectors; e.Writes() && e.Flags&logwrites.Discard == 0 && end < 1<<63/ss {
			size = max(size, end*ss)
		}
	}
	return size
}

// stateDisk is the logged device in a state of an epoch: the durable content,
// with a few blocks on top.
type stateDisk struct {
	*history
	durable int            // entries
	over    map[uint64]int // by block: the entry that wrote it last
}

// ReadAt implements io.ReaderAt. After the end of the known part there are
// zeros.
func (d *stateDisk) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read at a negative offset")
	}
	if len(p) == 0 {
		return 0, nil
	}
	ss := d.layout.blockBytes
	first, skip := uint64(off)/ss, uint64(off)%ss
	blocks := (skip + uint64(len(p)) + ss - 1) / ss
	buf := p
	if skip != 0 || uint64(len(p)) != blocks*ss {
		buf = make([]byte, blocks*ss)
	}
	if err := d.readBlocks(first, buf); err != nil {
		return 0, err
	}
	if skip != 0 || len(buf) != len(p) {
		copy(p, buf[skip:])
	}
	return len(p), nil
}

// readBlocks fills buf with the blocks starting at first.
func (d *stateDisk) readBlocks(first uint64, buf []byte) error {
	if err := d.read(first, d.durable, buf); err != nil {
		return err
	}
	ss := d.layout.blockBytes
	for i := uint64(0); i < uint64(len(buf))/ss; i++ {
		if entry, ok := d.over[first+i]; ok {
			if err := d.readFrom(first+i, entry, buf[i*ss:(i+1)*ss]); err != nil {
				return err
			}
		}
	}
	return nil
}

// ParseView parses the name of a view.
func ParseView(text string) (View, error) {
	switch v := View(text); v {
	case SnapshotView, OriginView, DiskView:
		return v, nil
	}
	return "", fmt.Errorf("%q is not a view of a state, which are %s, %s and %s", text, SnapshotView, OriginView, DiskView)
}

// In returns the region's part of a disk.
func (r Region) In(disk io.ReaderAt) *io.SectionReader {
	return io.NewSectionReader(disk, int64(r.Start)*cow.SectorSize, int64(r.Len)*cow.SectorSize)
}
