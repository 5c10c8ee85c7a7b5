package dmctl

// What a new snapshot is checked for before anything is planned.

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// originKind is what the origin is now.
type originKind uint8

const (
	originPlain    originKind = iota // a block device that device mapper does not know
	originMapped                     // a dm device with a table of its own
	originExisting                   // a snapshot-origin is already there
)

// job is a request that has been checked against the machine.
type job struct {
	name        wire.Name
	newName     wire.Name // the snapshot's until it is finished
	originName  wire.Name // of the layer that is made for the origin, if any
	origin, cow disk
	args        table.SnapshotArgs // without the devices
	kind        originKind
	over        *device // the dm device that is, or becomes, the snapshot-origin
	role        role
	view        view
	carried     string // what is on the COW device and will be overwritten, "" for nothing
	notes       []string
}

// headBytes is the size of chunks 0 and 1: header and first area.
func (j *job) headBytes() int64 { return 2 * int64(j.args.ChunkSize) * cow.SectorSize }

func (j *job) size() cow.Sectors { return cow.Sectors(j.origin.Bytes / cow.SectorSize) }

// prepare checks all of a request but what the COW device carries.
func (c *Controller) prepare(r CreateRequest) (*job, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	j := &job{}
	var err error
	if j.name, err = newName(r.Name); err != nil {
		return nil, err
	}
	if j.newName, err = unfinishedName(j.name); err != nil {
		return nil, err
	}
	if j.view, err = c.lookLocked(); err != nil {
		return nil, err
	}
	if err := c.checkFree(j.view, "create", j.name); err != nil {
		return nil, err
	}
	if j.view.byName(j.newName) != nil {
		return nil, &Error{"create", j.newName.String(), fmt.Errorf("%w: run `dmsnapctl recover`", ErrExists)}
	}
	if j.origin, err = c.h.Disk(r.Origin); err != nil {
		return nil, fmt.Errorf("origin: %w", err)
	}
	if j.cow, err = c.h.Disk(r.COW); err != nil {
		return nil, fmt.Errorf("COW device: %w", err)
	}
	version, err := c.TargetVersion(targetSnapshot, true)
	if err != nil {
		return nil, err
	}
	if j.args, err = j.arguments(r, version); err != nil {
		return nil, err
	}
	if err := c.checkSizes(j); err != nil {
		return nil, err
	}
	if err := c.placeOrigin(j, r); err != nil {
		return nil, err
	}
	return j, c.checkCOW(j, r.Force)
}

// arguments are the snapshot's, as far as this kernel's target knows them.
func (j *job) arguments(r CreateRequest, version gate.Version) (table.SnapshotArgs, error) {
	a := table.SnapshotArgs{Store: table.Persistent, ChunkSize: r.chunkSize()}
	switch {
	case r.Transient:
		a.Store = table.Transient
	case r.Overflow && version.AtLeast(gate.StoreOverflow):
		a.Store = table.PersistentOverflow
	case r.Overflow:
		j.notes = append(j.notes, fmt.Sprintf("snapshot target %v has no overflow state: a full store invalidates the snapshot", version))
	}
	if r.DiscardZeroesCOW {
		a.Features = append(a.Features, table.DiscardZeroesCOW)
	}
	if r.DiscardPassdownOrigin {
		a.Features = append(a.Features, table.DiscardPassdownOrigin)
	}
	if len(a.Features) > 0 && !version.AtLeast(gate.DiscardFeatures) {
		return a, refuse("snapshot target %v has no discard features, they came with %v", version, gate.DiscardFeatures)
	}
	return a, nil
}

// checkSizes applies what the kernel wants of chunk size and device sizes.
func (c *Controller) checkSizes(j *job) error {
	chunk := int64(j.args.ChunkSize) * cow.SectorSize
	for _, d := range []disk{j.origin, j.cow} {
		if d.Bytes == 0 || d.Bytes%cow.SectorSize != 0 {
			return refuse("%s has %d bytes, not a whole number of 512-byte sectors above 0", d.Path, d.Bytes)
		}
		if chunk%int64(d.Block) != 0 {
			return refuse("the chunk size of %d bytes is not a multiple of the logical block size of %s, %d bytes", chunk, d.Path, d.Block)
		}
	}
	if j.cow.Bytes < 3*chunk {
		return refuse("%s has %d bytes, a COW store has at least three chunks: %d", j.cow.Path, j.cow.Bytes, 3*chunk)
	}
	if j.cow.ReadOnly {
		return refuse("%s is read-only", j.cow.Path)
	}
	return nil
}

// placeOrigin finds out what the origin is, and whether it may become one.
func (c *Controller) placeOrigin(j *job, r CreateRequest) error {
	if j.cow.Dev == j.origin.Dev {
		return refuse("%s is both origin and COW device: name another COW device", j.origin.Path)
	}
	mapped := j.view.byDev(j.origin.Dev)
	if mapped == nil {
		if over := j.view.originOver(j.origin.Dev); over != nil {
			return c.placeExisting(j, over, r.Force)
		}
		return c.placePlain(j, r)
	}
	if _, is := mapped.base(); is {
		return c.placeExisting(j, mapped, r.Force)
	}
	j.kind, j.over = originMapped, mapped
	return c.checkMapped(j, r.Force)
}

// placeExisting says whether a snapshot-origin can take one more snapshot.
func (c *Controller) placeExisting(j *job, o *device, force bool) error {
	j.kind, j.over = originExisting, o
	if _, merging := o.sole().(table.SnapshotMerge); merging {
		return refuse("a snapshot is being merged into %s: wait until that is done", o.Name)
	}
	return checkIdle(o, force)
}

// checkIdle says whether a device's table can be swapped now, by us.
func checkIdle(o *device, force bool) error {
	switch {
	case o.Suspended():
		return refuse("%s is suspended: resume it first", o.Name)
	case o.HasInactive():
		return refuse("%s has a table loaded that waits to be resumed: resume it or clear it first", o.Name)
	}
	if owner := ownerOf(o.UUID); owner != "" && owner != ownerOurs {
		return unlessForced(force, "%s belongs to %s, which reloads its tables and would drop the snapshot without a word", o.Name, owner)
	}
	return nil
}

// placePlain prepares NAME-origin over a plain block device. Nobody else may
// write to that: the snapshot would not notice.
func (c *Controller) placePlain(j *job, r CreateRequest) error {
	j.kind = originPlain
	users, err := c.h.Users(j.origin.Dev)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return busy("%s is %s: what is written past the snapshot's origin device would not be kept; end that first",
			j.origin.Path, inWords(users))
	}
	if j.originName, err = nameWith(j.name, originSuffix); err != nil {
		return err
	}
	return c.checkFree(j.view, "create", j.originName)
}

// checkFree says whether a device of this name can be made, and its node.
func (c *Controller) checkFree(v view, op string, name wire.Name) error {
	if v.byName(name) != nil {
		return &Error{op, name.String(), errTaken}
	}
	if err := c.h.NodeFree(name); err != nil {
		return &Error{op, name.String(), err}
	}
	return nil
}

// checkCOW looks who uses the COW device, and whether it lies on the origin:
// force lets pass one of which nobody can say where it lies.
func (c *Controller) checkCOW(j *job, force bool) error {
	users, err := c.h.Users(j.cow.Dev)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return busy("COW device %s is %s: end that first, or name another one", j.cow.Path, inWords(users))
	}
	below, err := c.h.Below(j.cow.Dev)
	if err != nil && !(force && errors.Is(err, ErrForce)) {
		return err
	}
	if slices.ContainsFunc(below, j.isOrigin) {
		return refuse("COW device %s lies on the origin %s: copying to it would wait for itself", j.cow.Path, j.origin.Path)
	}
	below, err = c.h.Below(j.origin.Dev)
	if err != nil && !(force && errors.Is(err, ErrForce)) {
		return err
	}
	if slices.Contains(below, j.cow.Dev) {
		return refuse("the origin %s lies on the COW device %s", j.origin.Path, j.cow.Path)
	}
	return nil
}

// isOrigin says whether dev is the origin, by any of its devices.
func (j *job) isOrigin(dev blockdev.DevNo) bool {
	if dev == j.origin.Dev {
		return true
	}
	if j.over == nil {
		return false
	}
	base, ok := j.over.base()
	return dev == j.over.Dev || ok && dev == base
}

// blankBytes is how much of the start of a fresh COW device has to be zero,
// at least: chunks 0 and 1 if they are larger.
const blankBytes = 1 << 20

// checkBlank refuses a COW device that carries anything.
func (c *Controller) checkBlank(j *job, force bool) error {
	found, err := c.h.Carries(j.cow.Path, max(blankBytes, j.headBytes()))
	if err != nil {
		return fmt.Errorf("look what COW device %s carries: %w", j.cow.Path, err)
	}
	if len(found) == 0 {
		return nil
	}
	j.carried = strings.Join(found, ", ")
	j.notes = append(j.notes, fmt.Sprintf("%s carries %s, which is overwritten by force", j.cow.Path, j.carried))
	return unlessForced(force, "COW device %s carries %s, which would be overwritten", j.cow.Path, j.carried)
}

func inWords(users []user) string {
	words := make([]string, len(users))
	for i, u := range users {
		words[i] = u.What
	}
	return strings.Join(words, ", ")
}
