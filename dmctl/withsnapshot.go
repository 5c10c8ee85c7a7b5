package dmctl

// A snapshot for as long as a command runs: made, mounted read-only, unmounted
// and removed. An intent says what a run that was killed leaves.

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
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
	// form. A logical volume's snapshot is LVM's to make.
	Origin string
	// COW is the path of the device for what changes; "" for a logical volume.
	COW string
	// StoreDir is the directory that gets a file without a name for it where
	// there is neither a COW device nor a logical volume.
	StoreDir string
	// Bytes, or Percent of the origin, may change meanwhile. Where both are 0,
	// a file can hold every chunk, and a logical volume's snapshot is
	// DefaultWithPercent.
	Bytes   int64
	Percent int
	Mount   string // a directory; "" for none
	Force   bool   // lets pass what is refused with ErrForce
}

// DefaultWithPercent is how large a logical volume's snapshot becomes.
const DefaultWithPercent = 20

func (r WithRequest) hasSize() bool { return r.Bytes != 0 || r.Percent != 0 }

// With is such a snapshot, once its plan was run.
type With struct {
	Path  string // of its device
	Mount string // where it is mounted, "" for nowhere

	c    *Controller
	left leftover
	end  func() error // takes the intent back
}

// leftover is what has to be cleared up of a snapshot.
type leftover struct {
	Snapshot string `json:"snapshot"`         // the device's name
	Mount    string `json:"mount,omitempty"`  // where it is mounted
	COW      string `json:"cow,omitempty"`    // the device whose start is zeroed in the end
	Volume   string `json:"volume,omitempty"` // VG/LV, where it is LVM's
}

// PlanWith plans the snapshot. It is a transient one: nobody wants it after a
// crash. When the plan was run, other controllers go on, and End removes it.
func (c *Controller) PlanWith(_ context.Context, r WithRequest) (p *Plan, w *With, err error) {
	defer c.giveUp(&err)
	if r.Mount != "" {
		if err := c.checkPlace(r.Mount); err != nil {
			return nil, nil, err
		}
	}
	v, err := c.lookLocked()
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
		return nil, nil, devices.Malformed("%s is LVM's, which finds room for what changes in its volume group: name no COW device", d.Name)
	case ofLVM:
		err = w.addVolume(p, d, r)
	case r.COW == "" && r.StoreDir == "":
		return nil, nil, devices.Malformed("%s is no logical volume: name a COW device or a directory for what changes meanwhile", r.Origin)
	case r.COW != "" && r.hasSize():
		return nil, nil, devices.Malformed("%s has its own size", r.COW)
	default:
		err = w.addSnapshot(p, path, r)
	}
	if err != nil {
		return nil, nil, err
	}
	w.Path = "/dev/mapper/" + w.left.Snapshot
	p.Title = fmt.Sprintf("snapshot %s of %s", w.left.Snapshot, r.Origin)
	return p, w, w.addMount(p, origin)
}

// pathOf is the path of a device that a user named: of a mapped device by any
// form of its name.
func pathOf(v devices.View, s string) string {
	if name, err := devices.KnownName(s); err == nil && v.ByName(name) != nil {
		return "/dev/mapper/" + name.String()
	}
	return s
}

// checkPlace refuses a place at which something is mounted already: another
// run's snapshot, as a rule.
func (c *Controller) checkPlace(dir string) error {
	if !filepath.IsAbs(dir) {
		return devices.Malformed("%s: a place to mount at begins with /", dir)
	}
	mounted, err := c.e.MountedAt(dir)
	if err == nil && mounted {
		err = devices.Busy("something is mounted at %s already: unmount it, or mount elsewhere", dir)
	}
	return err
}

// addSnapshot has a snapshot of ours made. The start of its store is zeroed in
// the end, so that the next one finds the COW device blank.
func (w *With) addSnapshot(p *Plan, path string, r WithRequest) error {
	name, err := withName()
	if err != nil {
		return err
	}
	create := CreateRequest{Name: name, Origin: path, COW: r.COW, Transient: true, Force: r.Force}
	if r.COW == "" {
		create.scratch = func(origin host.Disk) (host.Disk, error) { return w.c.scratchFor(origin, create, r) }
	}
	j, carried, err := w.c.prepareCreate(create)
	if err != nil && r.COW == "" {
		return fmt.Errorf("a file in %s for what changes meanwhile: %w", r.StoreDir, err)
	}
	if err != nil {
		return err
	}
	w.left.Snapshot = name
	if r.COW == "" {
		p.Note("what changes goes to a file without a name in %s, of %d bytes at most", r.StoreDir, j.cow.Bytes())
		w.addIntent(p)
		return j.addSnapshot(p, devices.RoleSnapshot)
	}
	w.left.COW = j.cow.Dev().String()
	w.addIntent(p)
	p.Add(plan.Zero{Disk: j.cow, Bytes: headOf(j.cow), What: "the start of ", Carried: carried})
	return j.addSnapshot(p, devices.RoleSnapshot)
}

// scratchFor makes a file for what changes of an origin, before it is known that
// there will be a snapshot: only so can be seen where it lies. It goes by itself.
func (c *Controller) scratchFor(origin host.Disk, create CreateRequest, r WithRequest) (host.Disk, error) {
	bytes, err := scratchBytes(origin.Bytes(), create.chunk(), r)
	if err != nil {
		return nil, err
	}
	return c.e.OpenScratch(r.StoreDir, bytes)
}

// scratchBytes is how large such a file becomes: whole chunks, and no more than
// can be used.
func scratchBytes(origin int64, chunk cow.Sectors, r WithRequest) (int64, error) {
	g, err := cow.NewGeometry(chunk)
	if err != nil {
		return 0, err
	}
	sizes, err := g.SizesFor(uint64(origin), math.MaxInt64, 0, false)
	if err != nil {
		return 0, err
	}
	bytes := r.Bytes
	if r.Percent != 0 {
		bytes = origin / 100 * int64(r.Percent)
	}
	if most := int64(min(sizes.Maximum, math.MaxInt64)); bytes == 0 || bytes > most {
		return most, nil
	}
	whole := int64(g.ChunkBytes())
	return max((bytes+whole-1)/whole*whole, int64(sizes.Minimum)), nil
}

// headOf is how much of a COW device is zeroed: as much as has to be blank.
func headOf(d host.Disk) int64 { return min(blankBytes, d.Bytes()) }

// addVolume has LVM make a snapshot of a volume of its own.
func (w *With) addVolume(p *Plan, d *devices.Device, r WithRequest) error {
	vg, lv, ok := devices.VolumeOf(d.Name)
	if !ok {
		return devices.Refuse("%s has LVM's UUID, but no name that LVM gives", d.Name)
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
		What: fmt.Sprintf("have LVM make the snapshot %s of %s/%s, with %s for what changes", w.left.Volume, vg, lv, size),
		Run:  func() error { return w.c.e.LVM("lvcreate", "-s", "-n", name, flag, size, vg+"/"+lv) },
		Back: func() error { return w.c.removeVolume(w.left) },
	})
	return nil
}

// withName is a name that no snapshot has had.
func withName() (string, error) {
	var id [6]byte
	_, err := rand.Read(id[:])
	return fmt.Sprintf("%s%x", withPrefix, id), err
}

// addIntent writes down what is to be cleared up, before there is any of it.
func (w *With) addIntent(p *Plan) {
	p.Add(plan.Take{
		What: "write down what has to be cleared up should this run be killed",
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

// addMount mounts the snapshot. The file system is told by what the origin
// carries: one that cannot be mounted is refused before anything is done.
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

// mountable are the file systems that can be mounted beside their origin, and
// what the kernel calls them.
var mountable = map[string]string{
	"ext2": "ext2", "ext3": "ext3", "ext4": "ext4", "xfs": "xfs", "vfat": "vfat", "exfat": "exfat", "ntfs": "ntfs3",
	"f2fs": "f2fs", "jfs": "jfs", "reiserfs": "reiserfs", "iso9660": "iso9660", "udf": "udf", "squashfs": "squashfs",
	"erofs": "erofs", "hfsplus": "hfsplus", "ext": "ext4",
}

// fileSystem says what file system a device carries.
func fileSystem(d host.Disk) (string, error) {
	found, _, err := d.Signatures()
	if err != nil {
		return "", fmt.Errorf("look what %s carries: %w", d.Path(), err)
	}
	// What blkid says comes last, and is more exact.
	for _, kind := range slices.Backward(found) {
		if known, ok := mountable[kind]; ok {
			return known, nil
		}
	}
	switch {
	case slices.Contains(found, "btrfs"):
		return "", devices.Refuse("%s carries btrfs, which takes a snapshot for its origin, by its UUID: use btrfs' own snapshots, or do not mount it", d.Path())
	case len(found) == 0:
		return "", devices.Refuse("%s carries no file system that is known here: do not mount it", d.Path())
	}
	return "", devices.Refuse("%s carries %s, which is no file system to mount: do not mount it", d.Path(), found[len(found)-1])
}

// devOf is the number of the mapped device of a name.
func (c *Controller) devOf(name string) (blockdev.DevNo, error) {
	n, err := devices.ParseName(name)
	if err != nil {
		return blockdev.DevNo{}, err
	}
	info, err := c.e.Info(n)
	if err != nil {
		return blockdev.DevNo{}, &Error{Op: "find", Name: name, Err: err}
	}
	return info.Dev, nil
}

// Lost is nil as long as the snapshot shows its moment; else the error wraps
// ErrLost: what was read last may be of a later moment.
func (w *With) Lost(ctx context.Context) error {
	s, err := w.c.SnapshotNamed(ctx, w.left.Snapshot)
	if err != nil {
		return devices.Also(ErrLost, "%w", err)
	}
	if s.State != table.Active.String() {
		return devices.Because(ErrLost, "snapshot %s became %s while the command ran: its store had no room for all that changed, or could not be written", s.Name, s.State)
	}
	return nil
}

// End unmounts the snapshot and removes it. Where that cannot be done, the
// error wraps ErrUnfinished, and Recover does it when this process has ended.
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

// clearUp does what stands in an intent, as far as it is not done. It works on
// the machine as it is now.
func (c *Controller) clearUp(l leftover) error {
	if err := c.unmountSnapshot(l); err != nil {
		return err
	}
	if l.Volume != "" {
		return c.removeVolume(l)
	}
	p, err := c.PlanRemove(context.Background(), RemoveRequest{Name: l.Snapshot})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if dev, ok := devices.ParseDev(l.COW); ok {
		p.Finish(plan.Do{What: "zero the start of its store, for the next one", Run: func() error { return c.zeroHead(dev) }})
	}
	return c.e.RunLocked(context.Background(), p)
}

// unmountSnapshot unmounts a snapshot that is there, at its place.
func (c *Controller) unmountSnapshot(l leftover) error {
	if l.Mount == "" {
		return nil
	}
	dev, err := c.devOf(l.Snapshot)
	if devices.IsGone(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.e.Unmount(dev, l.Mount)
}

func (c *Controller) zeroHead(dev blockdev.DevNo) error {
	d, err := c.e.OpenDev(dev)
	if err != nil {
		return err
	}
	return errors.Join(d.Zero(headOf(d)), d.Close())
}

// removeVolume has LVM remove a snapshot that it still knows.
func (c *Controller) removeVolume(l leftover) error {
	if err := c.e.LVM("lvs", l.Volume); err != nil {
		if _, gone := c.devOf(l.Snapshot); devices.IsGone(gone) {
			return nil
		}
		return err
	}
	return c.e.LVM("lvremove", "-y", l.Volume)
}

// commands clears up after those who died while their command ran.
func (r *recovery) commands() error {
	left, err := r.c.e.Forsaken()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(left)) {
		r.p.Finish(plan.Do{What: fmt.Sprintf("unmount and remove %s, which was to last as long as a command", name), Run: func() error {
			var l leftover
			if err := json.Unmarshal(left[name], &l); err != nil {
				return fmt.Errorf("the intent %s: %w", name, err)
			}
			if err := r.c.clearUp(l); err != nil {
				return err // the intent stays
			}
			return r.c.e.Forget(name)
		}})
	}
	return nil
}
