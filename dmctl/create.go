package dmctl

// Creating a snapshot.

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// DefaultChunkBytes is the default chunk size of a snapshot, in bytes: 16 KiB.
const DefaultChunkBytes int64 = 16 << 10

// CreateRequest asks for a fresh snapshot.
type CreateRequest struct {
	Name, Origin, COW string // the snapshot's name; paths of block devices or files
	ChunkBytes        int64  // in bytes, a power of two; 0: DefaultChunkBytes
	Transient         bool   // exceptions in memory only
	// Overflow keeps a persistent store valid when a write through the snapshot
	// finds no room (PO), if the kernel supports that.
	Overflow              bool
	DiscardZeroesCOW      bool
	DiscardPassdownOrigin bool
	Force                 bool // overrides the checks that return ErrForce

	scratch func(origin host.Disk) (host.Disk, error) // see place
}

// Check reports what is wrong with a request regardless of the machine's state.
// Errors wrap ErrUsage.
func (r CreateRequest) Check() error {
	if _, err := devices.SnapshotName(r.Name); err != nil {
		return err
	}
	if r.DiscardPassdownOrigin && !r.DiscardZeroesCOW {
		return devices.Malformed("%s needs %s", table.DiscardPassdownOrigin, table.DiscardZeroesCOW)
	}
	_, err := r.chunk()
	return err
}

func (r CreateRequest) chunk() (cow.Sectors, error) { return chunkOf(r.ChunkBytes, DefaultChunkBytes) }

// Create makes a fresh snapshot: PlanCreate and Run.
func (c *Controller) Create(ctx context.Context, r CreateRequest) error {
	return c.inTurn(ctx, func() (*Plan, error) { return c.PlanCreate(ctx, r) })
}

// PlanCreate plans a fresh snapshot. Every check happens here.
func (c *Controller) PlanCreate(ctx context.Context, r CreateRequest) (p *Plan, err error) {
	defer c.giveUp(&err)
	j, carried, err := c.prepareCreate(ctx, r)
	if err != nil {
		return nil, err
	}
	p = &Plan{Title: fmt.Sprintf("create snapshot %s of %s", j.name, j.origin.Path())}
	if j.args.Store.IsPersistent() {
		p.Add(plan.Zero{Disk: j.cow, Bytes: j.headBytes(), What: "chunks 0 and 1 of ", Carried: carried})
	}
	return p, j.addSnapshot(p, devices.RoleSnapshot)
}

// prepareCreate checks a request against the machine. It also reports what the
// COW device contains if Force allows that.
func (c *Controller) prepareCreate(ctx context.Context, r CreateRequest) (j *job, carried string, err error) {
	if err := r.Check(); err != nil {
		return nil, "", err
	}
	chunk, err := r.chunk()
	if err != nil {
		return nil, "", err
	}
	if j, err = c.open(ctx, place{r.Name, r.Origin, r.COW, r.Force, r.scratch}); err != nil {
		return nil, "", err
	}
	if err := c.fit(j, features{chunk, r.Transient, r.Overflow, r.DiscardZeroesCOW, r.DiscardPassdownOrigin}); err != nil {
		return nil, "", err
	}
	carried, err = j.checkBlank()
	return j, carried, err
}
