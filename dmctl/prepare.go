package dmctl

// The checks for a new snapshot, made before anything is planned: roles, sizes,
// where the COW device may lie. The devices are opened here, once: the devices
// checked are the ones the plan zeroes and loads.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// originKind is what the origin is now.
type originKind uint8

const (
	originPlain    originKind = iota // a block device that device mapper does not know
	originMapped                     // another device of device mapper
	originExisting                   // already a snapshot-origin
)

// job is a request that was checked against the machine.
type job struct {
	name        devices.Name
	newName     devices.Name       // the snapshot's name until it is finished
	originName  devices.Name       // of the layer made for the origin, if any
	origin, cow host.Disk          // the COW device is claimed
	args        table.SnapshotArgs // without the devices
	kind        originKind
	over        *devices.Device // the dm device that is, or becomes, the snapshot-origin
	view        devices.View
	force       bool
	notes       []string
}

// headBytes is the size of chunks 0 and 1: header and first area.
func (j *job) headBytes() int64 {
	return int64(cow.FirstData) * int64(j.args.ChunkSize) * cow.SectorSize
}

func (j *job) size() cow.Sectors { return cow.Sectors(j.origin.Bytes() / cow.SectorSize) }

// place says where a snapshot is made, and under which name.
type place struct {
	name, origin, cow string
	force             bool
	// scratch, used instead of cow, makes the COW device for an origin.
	scratch func(origin host.Disk) (host.Disk, error)
}

// open opens the devices of a new snapshot and checks where they are: the
// names, the kind of the origin, the users of the COW device and the devices it
// lies on.
func (c *Controller) open(ctx context.Context, t place) (*job, error) {
	j := &job{force: t.force}
	var err error
	if j.name, err = devices.SnapshotName(t.name); err != nil {
		return nil, err
	}
	if j.newName, err = devices.UnfinishedName(j.name); err != nil {
		return nil, err
	}
	if j.view, err = c.lookLocked(ctx); err != nil {
		return nil, err
	}
	if err := c.checkFree(j.view, "create", j.name); err != nil {
		return nil, err
	}
	if j.view.ByName(j.newName) != nil {
		return nil, &Error{Op: "create", Name: j.newName.String(), Err: unfinished}
	}
	if j.origin, err = c.e.OpenStore(t.origin); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if t.scratch != nil {
		j.cow, err = t.scratch(j.origin)
	} else {
		j.cow, err = c.e.OpenStore(t.cow)
	}
	if err != nil {
		return nil, fmt.Errorf("COW device: %w", err)
	}
	if err := j.checkRoles(); err != nil {
		return nil, err
	}
	if err := c.placeOrigin(j); err != nil {
		return nil, err
	}
	return j, c.takeCOW(j)
}

// checkRoles refuses devices that are part of another stack, regardless of
// their contents: that stack decides what happens to them. An origin may have
// any number of snapshots.
func (j *job) checkRoles() error {
	for _, d := range []host.Disk{j.origin, j.cow} {
		if part := j.view.PartOf(d.Dev()); part != "" {
			return devices.Refuse("%s is %s", d.Path(), part)
		}
	}
	return nil
}

// unfinished is the error for a device that an interrupted run left.
var unfinished = &devices.Reason{Says: "a device of this name exists, left by an interrupted run", Wraps: []error{ErrExists, ErrUnfinished}}

// checkFree reports whether a device and its node can be made under this name.
func (c *Controller) checkFree(v devices.View, op string, name devices.Name) error {
	err := c.e.NodesFree(name)
	if v.ByName(name) != nil {
		err = devices.ErrTaken
	}
	if err != nil {
		return &Error{Op: op, Name: name.String(), Err: err}
	}
	return nil
}

// placeOrigin determines what the origin is, and whether it may become one.
func (c *Controller) placeOrigin(j *job) error {
	if j.cow.Dev() == j.origin.Dev() {
		return devices.Because(ErrOneDevice, "%s is both origin and COW device", j.origin.Path())
	}
	mapped := j.view.ByDev(j.origin.Dev())
	if mapped == nil {
		mapped = j.view.OriginOver(j.origin.Dev())
		if mapped == nil {
			return c.placePlain(j)
		}
	}
	j.over = mapped
	if _, is := mapped.Base(); is {
		return j.placeExisting()
	}
	return j.placeMapped()
}

// placePlain prepares NAME-origin over a plain block device. Nobody else may
// write to that device: the snapshot would miss the writes.
func (c *Controller) placePlain(j *job) error {
	j.kind = originPlain
	users, err := c.e.Users(j.origin.Dev())
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return devices.Busy("%s is %s: writes that bypass the snapshot's origin device would not be preserved",
			j.origin.Path(), host.InWords(users))
	}
	if j.originName, err = devices.NameWith(j.name, devices.OriginSuffix); err != nil {
		return err
	}
	return c.checkFree(j.view, "create", j.originName)
}

// placeExisting reports whether a snapshot-origin can take another snapshot.
func (j *job) placeExisting() error {
	j.kind = originExisting
	if _, merging := j.over.MergeArgs(); merging {
		return devices.RefuseFor(ErrMerging, "a snapshot is being merged into %s", j.over.Name)
	}
	return checkIdle(j.over, j.force)
}

// placeMapped reports whether a dm device can become an origin: its own table
// moves down into ORIGIN-dmsnap-real, and the device itself becomes a
// snapshot-origin over that. Nothing above it notices.
func (j *job) placeMapped() error {
	j.kind = originMapped
	o := j.over
	switch {
	case !o.HasActive() || len(o.Live) == 0:
		return devices.Refuse("%s has no live table", o.Name)
	case o.ReadOnly():
		return devices.Refuse("%s is read-only: it will not change, and needs no snapshot", o.Name)
	}
	if err := checkLayerable(o); err != nil {
		return err
	}
	if err := checkIdle(o, j.force); err != nil {
		return err
	}
	var err error
	if j.originName, err = devices.NameWith(o.Name, devices.RealSuffix); err != nil {
		return err
	}
	if j.view.ByName(j.originName) != nil {
		return &Error{Op: "create", Name: j.originName.String(), Err: unfinished}
	}
	return nil
}

// checkIdle reports whether we can swap a device's table now.
func checkIdle(o *devices.Device, force bool) error {
	switch {
	case o.Suspended():
		return devices.RefuseFor(ErrSuspended, "%s is suspended", o.Name)
	case o.HasInactive():
		return devices.RefuseFor(ErrSuspended, "%s has a waiting table", o.Name)
	}
	if owner := devices.OwnerOf(o.UUID); owner != "" && owner != devices.OwnerOurs {
		return devices.UnlessForced(force, "%s belongs to %s, which reloads its tables and would silently drop the snapshot", o.Name, owner)
	}
	return nil
}

// takeCOW checks who uses the COW device and whether it lies on the origin, and
// claims it. Force accepts a device whose place is unknown.
func (c *Controller) takeCOW(j *job) error {
	if j.cow.ReadOnly() {
		return devices.Refuse("%s is read-only", j.cow.Path())
	}
	users, err := c.e.Users(j.cow.Dev())
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return devices.Because(ErrCOWInUse, "COW device %s is %s", j.cow.Path(), host.InWords(users))
	}
	below, err := c.below(j.cow, j.force)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(below, j.isOrigin) {
		return devices.Refuse("COW device %s lies on the origin %s: copying to it would wait for itself", j.cow.Path(), j.origin.Path())
	}
	if below, err = c.below(j.origin, j.force); err != nil {
		return err
	}
	if slices.Contains(below, j.cow.Dev()) {
		return devices.Refuse("the origin %s lies on the COW device %s", j.origin.Path(), j.cow.Path())
	}
	return j.cow.Claim()
}

// below returns the devices that a disk lies on; none if that is unknown and
// force is set.
func (c *Controller) below(d host.Disk, force bool) ([]blockdev.DevNo, error) {
	below, err := c.e.Below(d.Dev())
	if force && errors.Is(err, ErrForce) {
		return nil, nil
	}
	return below, err
}

// isOrigin reports whether dev is one of the origin's devices.
func (j *job) isOrigin(dev blockdev.DevNo) bool {
	if dev == j.origin.Dev() {
		return true
	}
	if j.over == nil {
		return false
	}
	base, ok := j.over.Base()
	return dev == j.over.Dev || ok && dev == base
}

// features are the requested properties of a snapshot.
type features struct {
	chunk                 cow.Sectors
	transient, overflow   bool
	discardZeroesCOW      bool
	discardPassdownOrigin bool
}

// chunkOf returns a requested chunk size, which is given in bytes, or a default
// for 0. Errors wrap ErrUsage.
func chunkOf(bytes, byDefault int64) (cow.Sectors, error) {
	if bytes == 0 {
		bytes = byDefault
	}
	chunk, err := cow.ChunkSizeOf(bytes)
	if err != nil {
		return 0, devices.Malformed("%v", err)
	}
	return chunk, nil
}

// fit determines the snapshot's arguments, limited to what this kernel's target
// supports, and checks that they fit the devices.
func (c *Controller) fit(j *job, f features) error {
	version, err := c.TargetVersion(gate.SnapshotTarget, true)
	if err != nil {
		return err
	}
	var notes []string
	if j.args, notes, err = snapshotArgs(version, f); err != nil {
		return err
	}
	j.notes = append(j.notes, notes...)
	return j.checkSizes()
}

// snapshotArgs returns a snapshot's arguments, without its devices, limited to
// what a version of the target supports.
func snapshotArgs(version gate.Version, f features) (a table.SnapshotArgs, notes []string, err error) {
	a = table.SnapshotArgs{Store: table.Persistent, ChunkSize: f.chunk}
	switch {
	case f.transient:
		a.Store = table.Transient
	case f.overflow && gate.KnowsOverflow(version):
		a.Store = table.PersistentOverflow
	case f.overflow:
		notes = append(notes, fmt.Sprintf("snapshot target %v has no overflow state: a full store invalidates the snapshot", version))
	}
	if f.discardZeroesCOW {
		a.Features = append(a.Features, table.DiscardZeroesCOW)
	}
	if f.discardPassdownOrigin {
		a.Features = append(a.Features, table.DiscardPassdownOrigin)
	}
	if len(a.Features) > 0 && !gate.KnowsFeatures(version) {
		return a, nil, devices.Refuse("snapshot target %v has no discard features; they need %v", version, gate.DiscardFeatures)
	}
	return a, notes, nil
}

// checkSizes applies the kernel's rules for chunk and device sizes.
func (j *job) checkSizes() error {
	chunk := int64(j.args.ChunkSize) * cow.SectorSize
	for _, d := range []host.Disk{j.origin, j.cow} {
		if err := cow.CheckDeviceBytes(d.Bytes()); err != nil {
			return devices.Refuse("%s has %s, %v", d.Path(), count.Of(d.Bytes(), "byte"), err)
		}
		if chunk%int64(d.Block()) != 0 {
			return devices.Refuse("the chunk size of %d bytes is not a multiple of the logical block size of %s, %d bytes", chunk, d.Path(), d.Block())
		}
	}
	if err := cow.CheckStoreBytes(j.cow.Bytes(), j.args.ChunkSize); err != nil {
		return devices.Refuse("%s has %s, but %v", j.cow.Path(), count.Of(j.cow.Bytes(), "byte"), err)
	}
	return nil
}

// blankBytes is the size of the start of a fresh COW device that must be zero;
// it is larger if chunks 0 and 1 are larger.
const blankBytes = 1 << 20

// checkBlank refuses a COW device that contains anything, and reports the
// contents if force allows them.
func (j *job) checkBlank() (carried string, err error) {
	found, common, err := carries(j.cow, max(blankBytes, j.headBytes()))
	if err != nil {
		return "", fmt.Errorf("look for data on COW device %s: %w", j.cow.Path(), err)
	}
	if common {
		j.notes = append(j.notes, fmt.Sprintf("blkid is not installed: %s was searched only for the most common signatures, and for any data in its first %d bytes", j.cow.Path(), max(blankBytes, j.headBytes())))
	}
	if len(found) == 0 {
		return "", nil
	}
	carried = strings.Join(found, ", ")
	j.notes = append(j.notes, fmt.Sprintf("%s contains %s, which is overwritten by force", j.cow.Path(), carried))
	return carried, devices.UnlessForced(j.force, "COW device %s contains %s, which would be overwritten", j.cow.Path(), carried)
}

// carries reports what a disk contains: known signatures, or otherwise a
// nonzero byte among its first start bytes. common is true if only the common
// signatures could be searched for.
func carries(d host.Disk, start int64) (words []string, common bool, err error) {
	words, common, err = d.Signatures()
	if err != nil || len(words) > 0 {
		return words, common, err
	}
	content, err := d.Content()
	if err != nil {
		return nil, false, err
	}
	at, err := blockdev.FirstNonZero(content, min(start, content.Size()))
	if err := errors.Join(err, content.Close()); err != nil {
		return nil, false, err
	}
	if at >= 0 {
		return []string{fmt.Sprintf("data of an unknown kind (byte %d is not zero)", at)}, common, nil
	}
	return nil, common, nil
}
