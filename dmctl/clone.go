package dmctl

// Clones: writable disks over a base that nobody writes to. There is no
// snapshot-origin, so the only device ever suspended is a clone that nobody has
// open.

import (
	"context"
	"fmt"
	"math"
	"path/filepath"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// DefaultCloneChunk is the default chunk size of a clone, in bytes: 4 KiB, one
// page. Small writes then use the least space.
const DefaultCloneChunk int64 = 4 << 10

// CloneRequest asks for fresh clones of one base.
type CloneRequest struct {
	Names []string
	Base  string // path of an image or of a block device
	// StoreDir is the directory in which each clone gets the file NAME.cow.
	StoreDir string
	// Store, used instead of StoreDir for a single clone, is the path of a new
	// file or of a block device.
	Store string
	// StoreSize is the size of each file, in bytes. With 0 a store can hold
	// every chunk of the base, so it never fills. All files are sparse.
	StoreSize  int64
	ChunkBytes int64 // in bytes, a power of two; 0: DefaultCloneChunk
	// Transient clones last until they are removed or the machine stops. Their
	// stores are files without names.
	Transient bool
	Force     bool // overrides the checks that return ErrForce
}

// Check reports what is wrong with a request regardless of the machine's state.
// Errors wrap ErrUsage.
func (r CloneRequest) Check() error {
	if len(r.Names) == 0 {
		return devices.Malformed("no clone named")
	}
	if _, err := cloneNames(r.Names); err != nil {
		return err
	}
	switch {
	case r.Base == "":
		return devices.Malformed("no base named")
	case (r.Store == "") == (r.StoreDir == ""):
		return devices.Because(ErrStorePlace, "neither one directory for the stores nor, for one clone, one store")
	case r.Store != "" && len(r.Names) > 1:
		return devices.Because(ErrStorePlace, "%d clones cannot share a store", len(r.Names))
	case r.Store != "" && r.Transient:
		return devices.Because(ErrStorePlace, "the store of a transient clone has no name")
	case r.StoreSize < 0:
		return devices.Malformed("store size %d: negative", r.StoreSize)
	}
	chunk, err := r.chunk()
	if err != nil || r.StoreSize == 0 {
		return err
	}
	if err := cow.CheckStoreBytes(r.StoreSize, chunk); err != nil {
		return devices.Malformed("store size %d: %v", r.StoreSize, err)
	}
	return nil
}

func (r CloneRequest) chunk() (cow.Sectors, error) { return chunkOf(r.ChunkBytes, DefaultCloneChunk) }

// cloneNames validates the names of new clones and rejects duplicates.
func cloneNames(names []string) ([]devices.Name, error) {
	seen := map[devices.Name]bool{}
	out := make([]devices.Name, 0, len(names))
	for _, s := range names {
		n, err := devices.SnapshotName(s)
		if err != nil {
			return nil, err
		}
		if seen[n] {
			return nil, devices.Malformed("%s is named twice", n)
		}
		seen[n] = true
		out = append(out, n)
	}
	return out, nil
}

// Clone makes fresh clones: PlanClone and Run. Clones that fail are undone
// individually and reported in a *PartErrors; the others stay. It is safe for
// concurrent use.
func (c *Controller) Clone(ctx context.Context, r CloneRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanClone(ctx, r) })
}

// PlanClone plans fresh clones. Every check for every clone happens here.
func (c *Controller) PlanClone(ctx context.Context, r CloneRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	if err := r.Check(); err != nil {
		return nil, err
	}
	names, _ := cloneNames(r.Names) // checked by Check
	chunk, _ := r.chunk()           // also
	k, err := c.openCloning(ctx, r.Base, r.Force)
	if err != nil {
		return nil, err
	}
	if err := c.cloneArgs(k, features{chunk: chunk, transient: r.Transient, overflow: !r.Transient}); err != nil {
		return nil, err
	}
	if err := c.checkNew(names...); err != nil {
		return nil, err
	}
	title := fmt.Sprintf("make %d clones of %s", len(names), r.Base)
	if len(names) == 1 {
		title = fmt.Sprintf("clone %s of %s", names[0], r.Base)
	}
	p = &Plan{Title: title}
	switch {
	case r.Transient:
		err = c.transientParts(p, k, names, r)
	case r.Store != "" && c.isDevice(r.Store):
		err = c.devicePart(p, k, names[0], r)
	default:
		err = c.fileParts(p, k, names, r)
	}
	if err != nil {
		return nil, err
	}
	k.addNotes(p)
	return p, nil
}

func (c *Controller) isDevice(path string) bool {
	there, err := c.e.Exists(path)
	_, file := c.e.FileID(path)
	return err == nil && there && file != nil
}

// errTooLarge refuses a size of a store that no file can have in whole chunks.
func errTooLarge(bytes int64) error {
	return devices.Malformed("store size %d: too large for a file", bytes)
}

// storeBytes returns the size of a clone's store.
func (k *cloning) storeBytes(asked int64) (int64, error) {
	g, err := cow.NewGeometry(k.args.ChunkSize)
	if err != nil {
		return 0, err
	}
	sizes, err := g.SizesFor(k.base.Bytes(), math.MaxInt64, 0, k.leaky)
	if err != nil {
		return 0, devices.Refuse("base %s is too large: a store that can hold all of it is %v", k.path, err)
	}
	if asked == 0 {
		return sizes.Maximum, nil
	}
	if asked < sizes.Maximum {
		k.notes = append(k.notes, fmt.Sprintf("a store of %d bytes can fill up: %d hold every chunk", asked, sizes.Maximum))
	}
	bytes, ok := g.RoundUp(asked)
	if !ok {
		return 0, errTooLarge(asked)
	}
	return bytes, nil
}

// transientParts plans clones whose stores have no names.
func (c *Controller) transientParts(p *Plan, k *cloning, names []devices.Name, r CloneRequest) error {
	bytes, err := k.storeBytes(r.StoreSize)
	if err != nil {
		return err
	}
	for _, n := range names {
		h := &plan.Handle{}
		part := &Plan{Title: fmt.Sprintf("clone %s of %s", n, k.path)}
		part.Add(plan.NewScratch{Dir: r.StoreDir, Bytes: bytes, To: h})
		if err := k.addClone(part, n, h, "a file without a name"); err != nil {
			return err
		}
		p.Part(n.String(), part)
	}
	return nil
}

// fileParts plans clones with a new file each.
func (c *Controller) fileParts(p *Plan, k *cloning, names []devices.Name, r CloneRequest) error {
	bytes, err := k.storeBytes(r.StoreSize)
	if err != nil {
		return err
	}
	n := newNote()
	for _, name := range names {
		path := r.Store
		if path == "" {
			path = filepath.Join(r.StoreDir, name.String()+storeSuffix)
		}
		if path, err = filepath.Abs(path); err != nil {
			return err
		}
		if there, err := c.e.Exists(path); err != nil || there {
			return refuseStore(path, err)
		}
		f := n.add(path, false)
		part := &Plan{Title: fmt.Sprintf("clone %s of %s", name, k.path)}
		h := &plan.Handle{}
		part.Add(plan.NewStore{Path: f.Temp, Bytes: bytes, To: h})
		if err := k.addClone(part, name, h, path); err != nil {
			return err
		}
		part.Add(plan.NameFile{From: f.Temp, To: f.Final})
		p.Part(name.String(), part)
	}
	c.around(p, n)
	return nil
}

func refuseStore(path string, err error) error {
	if err != nil {
		return err
	}
	return devices.RefuseFor(ErrStoreThere, "store %s is there already", path)
}

// addClone appends the steps that make a clone on an open store.
func (k *cloning) addClone(p *Plan, n devices.Name, h *plan.Handle, store string) error {
	d, err := devices.NewRef(n, devices.RoleClone, k.base.Dev())
	if err != nil {
		return err
	}
	p.Add(plan.Create{Device: d},
		plan.Load{Device: d, Table: plan.Table{Later: k.tableOn(h)}, New: true, What: k.says(store)})
	k.addLive(p, d, h, store)
	return nil
}

// addLive appends the steps that turn a waiting table into a finished clone.
// The kernel flushes neither the header nor the first area when it loads the
// table.
func (k *cloning) addLive(p *Plan, d *devices.Ref, h *plan.Handle, store string) {
	if k.args.Store.IsPersistent() {
		p.Add(plan.FlushHandle{What: "the store", Of: h})
	}
	p.Add(plan.Resume{Device: d, Udev: plan.SnapshotUdev},
		plan.LetGo{What: "the loop device on " + store, Of: h},
		plan.Node{Device: d, Name: d.Name})
}

// devicePart plans a clone whose store is a block device.
func (c *Controller) devicePart(p *Plan, k *cloning, n devices.Name, r CloneRequest) error {
	if r.StoreSize != 0 {
		return devices.Malformed("store %s is a device, which has its own size", r.Store)
	}
	store, err := c.e.Open(r.Store)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	j, err := c.jobOn(k, store)
	if err != nil {
		return err
	}
	carried, err := j.checkBlank()
	k.notes = append(k.notes, j.notes...)
	if err != nil {
		return err
	}
	p.Add(plan.Zero{Disk: j.cow, Bytes: j.headBytes(), What: "chunks 0 and 1 of ", Carried: carried})
	return k.addOn(p, n, j.cow)
}
