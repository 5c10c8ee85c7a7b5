package dmctl

// What the kernel says of snapshots now.

import (
	"context"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Snapshot is an active snapshot device.
type Snapshot struct {
	Name  string
	UUID  string
	Owner string // dmsnapctl, LVM, or "" for others
	// State is active, invalid, overflow, merge-failed, merging or unknown.
	State     string
	Suspended bool
	OpenCount int
	EventNr   uint32

	Origin       string // the node of the device that the snapshot is of
	OriginDevice string // the node through which the origin is to be written
	COW          string // the node of the COW device
	Persistent   bool
	Overflow     bool // the store is PO
	ChunkSize    cow.Sectors
	Size         cow.Sectors

	// Allocated, Total and Metadata are what the status line says; 0 unless
	// the state is active or merging: see HasFigures.
	Allocated, Total, Metadata cow.Sectors
	HasMetadata                bool // kernels before target version 1.10.0 do not say
	UsedPercent                float64
}

// HasFigures says whether the status line has figures, not a word for a state.
func (s Snapshot) HasFigures() bool { return s.Total > 0 }

// mergeDone says that a snapshot that is being merged has nothing left to
// merge.
func (s Snapshot) mergeDone() bool {
	return s.State == StateMerging && s.HasMetadata && s.Allocated == s.Metadata
}

// Snapshots tells about all snapshots, ours and others', in the kernel's order.
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

// SnapshotNamed is one of Snapshots; ErrNotFound where there is none of the
// name.
func (c *Controller) SnapshotNamed(ctx context.Context, name string) (Snapshot, error) {
	n, err := devices.ParseName(name)
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

// snapshotOf describes d if it is a snapshot.
func (c *Controller) snapshotOf(v devices.View, d *devices.Device) (Snapshot, bool, error) {
	o := v.MergingInto(d)
	if o == nil {
		args, ok := d.SnapshotArgs()
		if !ok {
			return Snapshot{}, false, nil
		}
		s := c.describe(v, d, table.SnapshotArgs(args))
		err := c.fillStatus(&s, d.Name)
		return s, true, err
	}
	m, _ := o.MergeArgs()
	s := c.describe(v, d, table.SnapshotArgs(m))
	err := c.fillStatus(&s, o.Name)
	if s.State == table.Active.String() {
		s.State = StateMerging
	}
	return s, true, err
}

// describe fills in what the tables say.
func (c *Controller) describe(v devices.View, d *devices.Device, args table.SnapshotArgs) Snapshot {
	s := Snapshot{
		Name: d.Name.String(), UUID: d.UUID.String(), Owner: devices.OwnerOf(d.UUID),
		Suspended: d.Suspended(), OpenCount: int(d.OpenCount), EventNr: d.EventNr,
		Origin: args.Origin, OriginDevice: args.Origin, COW: args.COW,
		Persistent: args.Store.IsPersistent(), Overflow: args.Store == table.PersistentOverflow,
		ChunkSize: args.ChunkSize, Size: d.Live.Size(),
	}
	if cow, ok := devices.ParseDev(args.COW); ok {
		s.COW = c.e.NodePath(cow)
	}
	base, ok := devices.ParseDev(args.Origin)
	if !ok {
		return s
	}
	s.Origin = c.e.NodePath(base)
	s.OriginDevice = s.Origin
	if origin := v.OriginOver(base); origin != nil {
		s.OriginDevice = c.e.NodePath(origin.Dev)
		if layer := v.ByDev(base); layer != nil && layer.Role() == devices.RoleReal {
			s.Origin = s.OriginDevice
		}
	}
	return s
}

// fillStatus fills in what the status line of the device on says.
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
