package dmctl

// The kernel's current state of snapshots.

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Snapshot is an active snapshot device.
type Snapshot struct {
	Name  string
	UUID  string
	Owner string // dmsnapctl, LVM, or "" for others
	// Kind is KindSnapshot or KindClone. For a clone, Base and Store are the
	// paths of the files under its loop devices, or of the devices used
	// instead. The store of a transient clone has no path: its Store ends in
	// host.Deleted.
	Kind, Base, Store string
	// State is active, invalid, overflow, merge-failed, merging or unknown.
	State     string
	Suspended bool
	OpenCount int
	EventNr   uint32

	Origin       string // the node of the snapshot's origin
	OriginDevice string // the node for writing to the origin
	COW          string // the node of the COW device
	COWFile      string // the path of the file under its loop device; "" for other devices
	Persistent   bool
	Overflow     bool // the store was made with PO
	ChunkSectors cow.Sectors
	Size         cow.Sectors

	// Allocated, Total and Metadata come from the status line or from
	// FillFromStore; otherwise they are 0: see HasFigures.
	Allocated, Total, Metadata cow.Sectors
	HasMetadata                bool // old kernels do not report it
	UsedPercent                float64
}

// The kinds of snapshots.
const (
	KindSnapshot = "snapshot"
	KindClone    = "clone" // of a base that nobody writes to
)

// HasFigures reports whether the usage of the store is known.
func (s Snapshot) HasFigures() bool { return s.Total > 0 }

// Snapshots returns all snapshots, ours and others', in the kernel's order.
func (c *Controller) Snapshots(ctx context.Context) ([]Snapshot, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return nil, err
	}
	var out []Snapshot
	for _, d := range v {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, ok, err := c.snapshotOf(v, d)
		if devices.IsGone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// SnapshotNamed returns the snapshot with a name, or ErrNotFound.
func (c *Controller) SnapshotNamed(ctx context.Context, name string) (Snapshot, error) {
	n, err := devices.KnownName(name)
	if err != nil {
		return Snapshot{}, err
	}
	all, err := c.Snapshots(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	for _, s := range all {
		if s.Name == n.String() {
			return s, nil
		}
	}
	if _, err := c.e.Info(n); err == nil {
		return Snapshot{}, &Error{Op: "find snapshot", Name: name, Err: devices.ErrNoSnapshot}
	}
	return Snapshot{}, &Error{Op: "find snapshot", Name: name, Err: ErrNotFound}
}

// StateMerging is the state of a snapshot that is being merged.
const StateMerging = "merging"

// snapshotOf describes d if it is a snapshot, or if it is all that is left of
// one: the device into which another program's snapshot is being merged.
func (c *Controller) snapshotOf(v devices.View, d *devices.Device) (Snapshot, bool, error) {
	if o := v.MergingInto(d); o != nil {
		s, err := c.merging(v, d, o)
		return s, true, err
	}
	if args, is := d.SnapshotArgs(); is {
		s := c.describe(v, d, table.SnapshotArgs(args))
		err := c.fillStatus(&s, d.Name)
		return s, true, err
	}
	if _, is := d.MergeArgs(); is && !v.MergesOurs(d) {
		s, err := c.merging(v, d, d)
		return s, true, err
	}
	return Snapshot{}, false, nil
}

// merging describes a snapshot, known by device d, that is being merged into o.
func (c *Controller) merging(v devices.View, d, o *devices.Device) (Snapshot, error) {
	m, _ := o.MergeArgs()
	s := c.describe(v, d, table.SnapshotArgs(m))
	err := c.fillStatus(&s, o.Name)
	if s.State == table.Active.String() {
		s.State = StateMerging
	}
	return s, err
}

// describe fills in what the tables say.
func (c *Controller) describe(v devices.View, d *devices.Device, args table.SnapshotArgs) Snapshot {
	s := Snapshot{
		Name: d.Name.String(), UUID: d.UUID.String(), Owner: devices.OwnerOf(d.UUID),
		Suspended: d.Suspended(), OpenCount: int(d.OpenCount), EventNr: d.EventNr,
		Origin: args.Origin, OriginDevice: args.Origin, COW: args.COW,
		Persistent: args.Store.IsPersistent(), Overflow: args.Store == table.PersistentOverflow,
		ChunkSectors: args.ChunkSize, Size: d.Live.Size(), Kind: KindSnapshot,
	}
	if cow, ok := devices.ParseDev(args.COW); ok {
		s.COW, s.COWFile = c.e.NodePath(cow), c.e.FileOf(cow)
	}
	base, ok := devices.ParseDev(args.Origin)
	if !ok {
		return s
	}
	s.Origin = c.e.NodePath(base)
	s.OriginDevice = s.Origin
	if d.IsClone() {
		s.Kind, s.Base, s.Store = KindClone, s.Origin, s.COW
		if file := c.e.FileOf(base); file != "" {
			s.Base = file
		}
		if s.COWFile != "" {
			s.Store = s.COWFile
		}
		return s // there may be thousands, and none has a snapshot-origin
	}
	if origin := v.OriginOver(base); origin != nil {
		s.OriginDevice = c.e.NodePath(origin.Dev)
		if layer := v.ByDev(base); layer != nil && layer.Role() == devices.RoleReal {
			s.Origin = s.OriginDevice
		}
	}
	return s
}

// fillStatus fills in what the status line of device on says.
func (c *Controller) fillStatus(s *Snapshot, on devices.Name) error {
	_, lines, err := c.e.Status(on, false)
	if err != nil {
		return &Error{Op: "read the status of", Name: on.String(), Err: err}
	}
	s.State = table.Unknown.String()
	if len(lines) != 1 {
		return nil
	}
	st, err := table.ParseSnapshotStatus(lines[0].Params)
	if err != nil {
		return &Error{Op: "read the status of", Name: on.String(), Err: err}
	}
	s.State = st.State.String()
	s.Allocated, s.Total, s.Metadata, s.HasMetadata = st.Allocated, st.Total, st.Metadata, st.HasMetadata
	s.UsedPercent = st.UsedPercent()
	return nil
}

// FillFromStore fills in the figures of an invalid snapshot from the header and
// the exceptions of its store, because its status line has no figures. It
// leaves all other snapshots unchanged.
func (c *Controller) FillFromStore(ctx context.Context, s *Snapshot) error {
	if s.State != table.Invalid.String() || !s.Persistent || s.HasFigures() {
		return nil
	}
	store, err := c.storeOf(s)
	if err != nil {
		return err
	}
	d, err := c.e.OpenDev(store)
	if err != nil {
		return err
	}
	defer d.Close() // only read from
	report, err := judge(ctx, d, 0)
	if err != nil || report.Usage == nil {
		return err
	}
	u := report.Usage
	s.Allocated, s.Total, s.Metadata, s.HasMetadata = u.AllocatedSectors, u.TotalSectors, u.MetadataSectors, true
	s.UsedPercent = table.SnapshotStatus{Allocated: s.Allocated, Total: s.Total}.UsedPercent()
	return nil
}

// storeOf returns the number of a snapshot's COW device, from its current
// table.
func (c *Controller) storeOf(s *Snapshot) (blockdev.DevNo, error) {
	v, err := devices.Look(c.e)
	if err != nil {
		return blockdev.DevNo{}, err
	}
	for _, d := range v {
		args, is := d.SnapshotArgs()
		if dev, ok := devices.ParseDev(args.COW); is && ok && d.UUID.String() == s.UUID && d.Name.String() == s.Name {
			return dev, nil
		}
	}
	return blockdev.DevNo{}, &Error{Op: "find snapshot", Name: s.Name, Err: ErrNotFound}
}
