package dmctl

// A snapshot that lasts as long as a command: made, mounted read-only,
// unmounted and removed. An intent records what a killed run leaves.

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// withPrefix begins the names of such snapshots; a random number follows.
const withPrefix = "dmsnap-with-"

// WithRequest asks for a snapshot that lasts as long as a command.
type WithRequest struct {
	// Origin is the path of a block device, or a mapped device's name in any
	// form. LVM makes the snapshot of a logical volume.
	Origin string
	// COW is the path of the device for the changes; "" for a logical volume.
	COW string
	// StoreDir is the directory for an unnamed store file. It is used if there
	// is neither a COW device nor a logical volume.
	StoreDir string
	// Bytes, or Percent of the origin, may change while the snapshot exists. If
	// both are 0, a store file can hold every chunk, and a logical volume's
	// snapshot gets DefaultWithPercent.
	Bytes   int64
	Percent int
	Mount   string // a directory; "" for none
	Force   bool   // overrides the checks that return ErrForce
}

// DefaultWithPercent is the default size of a logical volume's snapshot, in
// percent of the volume.
const DefaultWithPercent = 20

func (r WithRequest) hasSize() bool { return r.Bytes != 0 || r.Percent != 0 }

// With is a snapshot that lasts as long as a command, after its plan has run.
type With struct {
	Path  string // of the snapshot's device
	Mount string // where it is mounted, "" if it is not

	c    *Controller
	left leftover
	end  func() error // takes the intent back
}

// PlanWith plans the snapshot. It is transient: nobody needs it after a crash.
// After the plan has run, other controllers may continue; End removes the
// snapshot.
func (c *Controller) PlanWith(ctx context.Context, r WithRequest) (p *Plan, w *With, err error) {
	defer c.giveUp(&err)
	if r.Mount != "" {
		if err := c.checkPlace(r.Mount); err != nil {
			return nil, nil, err
		}
	}
	v, err := c.lookLocked(ctx)
	if err != nil {
		return nil, nil, err
	}
	path := pathOf(v, r.Origin)
	origin, err := c.e.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("origin: %w", err)
	}
	w = &With{Mount: r.Mount, c: c, left: leftover{Mount: r.Mount}}
	p = &Plan{}
	d := v.ByDev(origin.Dev())
	switch ofLVM := d != nil && devices.OwnerOf(d.UUID) == devices.OwnerLVM; {
	case ofLVM && r.COW != "":
		return nil, nil, devices.Because(ErrVolumeCOW, "%s is a logical volume, whose changes go to its volume group, not to a COW device", d.Name)
	case ofLVM:
		err = w.addVolume(p, d, r)
	case r.COW == "" && r.StoreDir == "":
		return nil, nil, devices.Because(ErrNoCOW, "%s is not a logical volume, and there is no COW device or directory for the changes", r.Origin)
	case r.COW != "" && r.hasSize():
		return nil, nil, devices.Malformed("%s has its own size", r.COW)
	default:
		err = w.addSnapshot(ctx, p, path, r)
	}
	if err != nil {
		return nil, nil, err
	}
	w.Path = blockdev.MappedNodes + w.left.Snapshot
	p.Title = fmt.Sprintf("snapshot %s of %s", w.left.Snapshot, r.Origin)
	return p, w, w.addMount(p, origin)
}

// pathOf returns the path of a device that a user named; a mapped device may
// have any form of its name.
func pathOf(v devices.View, s string) string {
	if name, err := devices.KnownName(s); err == nil && v.ByName(name) != nil {
		return blockdev.MappedNodes + name.String()
	}
	return s
}

// checkPlace refuses a place where something is already mounted, usually
// another run's snapshot.
func (c *Controller) checkPlace(dir string) error {
	if !filepath.IsAbs(dir) {
		return devices.Malformed("%s: a mount point begins with /", dir)
	}
	mounted, err := c.e.MountedAt(dir)
	if err == nil && mounted {
		err = devices.Because(ErrMountTaken, "something is mounted at %s already", dir)
	}
	return err
}

// addSnapshot appends the steps that make a snapshot of ours. At the end the
// start of its store is zeroed, so that the next one finds the COW device
// blank.
func (w *With) addSnapshot(ctx context.Context, p *Plan, path string, r WithRequest) error {
	name, err := withName()
	if err != nil {
		return err
	}
	create := CreateRequest{Name: name, Origin: path, COW: r.COW, Transient: true, Force: r.Force}
	if r.COW == "" {
		create.scratch = func(origin host.Disk) (host.Disk, error) { return w.c.scratchFor(origin, create, r) }
	}
	j, carried, err := w.c.prepareCreate(ctx, create)
	if err != nil && r.COW == "" {
		return fmt.Errorf("a file in %s for the changes: %w", r.StoreDir, err)
	}
	if err != nil {
		return err
	}
	w.left.Snapshot = name
	if r.COW == "" {
		p.Note("changes go to an unnamed file in %s, of at most %d bytes", r.StoreDir, j.cow.Bytes())
		w.addIntent(p)
		return j.addSnapshot(p, devices.RoleSnapshot)
	}
	w.left.COW = j.cow.Dev().String()
	w.addIntent(p)
	p.Add(plan.Zero{Disk: j.cow, Bytes: headOf(j.cow), What: "the start of ", Carried: carried})
	return j.addSnapshot(p, devices.RoleSnapshot)
}

// scratchFor makes a file for the changes to an origin. It is made before the
// checks, because only then its place is known. It goes away by itself.
func (c *Controller) scratchFor(origin host.Disk, create CreateRequest, r WithRequest) (host.Disk, error) {
	chunk, err := create.chunk()
	if err != nil {
		return nil, err
	}
	bytes, err := scratchBytes(origin.Bytes(), chunk, r)
	if err != nil {
		return nil, err
	}
	return c.e.OpenScratch(r.StoreDir, bytes)
}

// scratchBytes returns the size of that file: whole chunks, and no more than
// can be used.
func scratchBytes(origin int64, chunk cow.Sectors, r WithRequest) (int64, error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return 0, err
	}
	bytes := r.Bytes
	if r.Percent != 0 {
		bytes = origin / 100 * int64(r.Percent)
	}
	most := g.MostBytes(origin, false)
	whole, ok := g.RoundUp(bytes)
	if bytes == 0 || bytes > most || !ok {
		return most, nil
	}
	return max(whole, cow.LeastBytes(chunk)), nil
}

// addVolume appends the steps that make LVM snapshot one of its volumes.
func (w *With) addVolume(p *Plan, d *devices.Device, r WithRequest) error {
	vg, lv, ok := devices.VolumeOf(d.Name)
	if !ok {
		return devices.Refuse("%s has LVM's UUID, but not a name from LVM", d.Name)
	}
	name, err := withName()
	if err != nil {
		return err
	}
	mapped, err := devices.KnownName(vg + "/" + name)
	if err != nil {
		return err
	}
	w.left.Snapshot, w.left.Volume = mapped.String(), vg+"/"+name
	flag, size := "-l", fmt.Sprintf("%d%%ORIGIN", DefaultWithPercent)
	switch {
	case r.Bytes != 0:
		flag, size = "-L", fmt.Sprintf("%db", r.Bytes)
	case r.Percent != 0:
		size = fmt.Sprintf("%d%%ORIGIN", r.Percent)
	}
	w.addIntent(p)
	p.Add(plan.Take{
		What: fmt.Sprintf("have LVM make the snapshot %s of %s/%s, with %s for changes", w.left.Volume, vg, lv, size),
		Run:  func() error { return w.c.e.LVM("lvcreate", "-s", "-n", name, flag, size, vg+"/"+lv) },
		Back: func() error { return w.c.removeVolume(w.left) },
	})
	return nil
}

// withName returns a name that no snapshot has had.
func withName() (string, error) {
	var id [6]byte
	_, err := rand.Read(id[:])
	return fmt.Sprintf("%s%x", withPrefix, id), err
}

// addIntent writes down what must be cleaned up, before any of it exists.
func (w *With) addIntent(p *Plan) {
	p.Add(plan.Take{
		What: "write down what to clean up if this run is killed",
		Run: func() error {
			text, err := json.Marshal(w.left)
			if err == nil {
				w.end, err = w.c.e.Intend(w.left.Snapshot, text)
			}
			return err
		},
		Back: func() error { return w.end() },
	})
}

// addMount mounts the snapshot. The file system is identified on the origin:
// one that cannot be mounted is refused before anything is done.
func (w *With) addMount(p *Plan, origin host.Disk) error {
	if w.Mount == "" {
		return nil
	}
	kind, err := fileSystem(origin)
	if err != nil {
		return err
	}
	p.Add(plan.Take{
		What: fmt.Sprintf("mount %s (%s) at %s, read-only", w.left.Snapshot, kind, w.Mount),
		Run: func() error {
			dev, err := w.c.devOf(w.left.Snapshot)
			if err != nil {
				return err
			}
			return w.c.e.Mount(dev, kind, w.Mount)
		},
		Back: func() error { return w.c.unmountSnapshot(w.left) },
	})
	return nil
}

// mountable lists the file systems that can be mounted beside their origin, and
// their names in the kernel.
var mountable = map[string]string{
	"ext2": "ext2", "ext3": "ext3", "ext4": "ext4", "xfs": "xfs", "vfat": "vfat", "exfat": "exfat", "ntfs": "ntfs3",
	"f2fs": "f2fs", "jfs": "jfs", "reiserfs": "reiserfs", "iso9660": "iso9660", "udf": "udf", "squashfs": "squashfs",
	"erofs": "erofs", "hfsplus": "hfsplus", "ext": "ext4",
}

// fileSystem returns the file system on a device.
func fileSystem(d host.Disk) (string, error) {
	found, _, err := d.Signatures()
	if err != nil {
		return "", fmt.Errorf("look for a file system on %s: %w", d.Path(), err)
	}
	// The result of blkid comes last and is more exact.
	for _, kind := range slices.Backward(found) {
		if known, ok := mountable[kind]; ok {
			return known, nil
		}
	}
	switch {
	case slices.Contains(found, "btrfs"):
		return "", devices.Because(ErrNotMountable, "%s contains btrfs, which mistakes a snapshot for its origin, by its UUID", d.Path())
	case len(found) == 0:
		return "", devices.Because(ErrNotMountable, "%s contains no known file system", d.Path())
	}
	return "", devices.Because(ErrNotMountable, "%s contains %s, which is not a mountable file system", d.Path(), found[len(found)-1])
}

// Lost returns nil as long as the snapshot shows its moment. Otherwise the
// error wraps ErrLost: recent reads may show a later moment.
func (w *With) Lost(ctx context.Context) error {
	s, err := w.c.SnapshotNamed(ctx, w.left.Snapshot)
	if err != nil {
		return devices.Also(ErrLost, "%w", err)
	}
	if s.State != table.Active.String() {
		return devices.Because(ErrLost, "snapshot %s became %s while the command ran: its store was full or could not be written", s.Name, s.State)
	}
	return nil
}

// End unmounts the snapshot and removes it. If that fails, the error wraps
// ErrUnfinished, and Recover does it after this process has ended.
func (w *With) End() error {
	defer w.c.Release()
	err := w.c.clearUp(w.left)
	if err == nil {
		err = w.end()
	}
	if err != nil {
		return devices.Also(ErrUnfinished, "snapshot %s: %w", w.left.Snapshot, err)
	}
	return nil
}
