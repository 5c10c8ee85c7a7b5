package dmctl

// A machine in memory that keeps device mapper's rules, for the failures that
// a real kernel does not produce on demand. What dm-snapshot does is not
// here: that is tested on the real one.

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// failure is what a call that is made to fail does.
type failure string

const (
	failClean failure = "changes nothing"
	failLost  failure = "a swap loses the new table"        // the wait for I/O was interrupted
	failStuck failure = "a swap stays suspended, old table" // dm_swap_table refuses
	failHalf  failure = "a swap stays suspended, new table" // a target's preresume refuses
	failDead  failure = "the process dies before the call"  // SIGKILL
	failAfter failure = "the process dies right after the call"
)

type fakeDev struct {
	name, uuid    string
	dev           blockdev.DevNo
	live, waiting table.Table
	suspended     bool
	mergeFailed   bool
	events        uint32
}

// fake is both kernel and host.
type fake struct {
	devs    []*fakeDev
	disks   map[string]disk
	nodes   map[string]blockdev.DevNo
	open    map[string]int // by users that are not tables
	minor   uint32
	verdict verify.Verdict          // of any store
	lost    map[blockdev.DevNo]bool // nobody can say where they lie
	carries map[string][]string
	zeroed  []string

	calls    int // that change something
	failures map[int]failure
	failed   int
	broken   []string // plans' laws that were broken
	memory   int      // how often it is locked
	guarded  bool     // a guardian stands by,
	inUse    []blockdev.DevNo
	tryLock  func() bool // says whether nobody else has the lock; nil: nobody has
	tooLong  error       // and this is what it says at the end
}

type killed struct{}

func newFake() *fake {
	f := &fake{disks: map[string]disk{}, nodes: map[string]blockdev.DevNo{}, open: map[string]int{}, failures: map[int]failure{}, verdict: verify.Clean}
	for i, path := range []string{"/dev/a", "/dev/b", "/dev/c", "/dev/d"} {
		f.disks[path] = disk{Path: path, Dev: blockdev.DevNo{Major: 8, Minor: uint32(i)}, Bytes: 1 << 20, Block: 512}
	}
	return f
}

func (f *fake) controller() *Controller {
	c := newController(f, f)
	c.sleep = func(time.Duration) {}
	return c
}

// change counts a call and says how it fails.
func (f *fake) change() failure {
	f.calls++
	how := f.failures[f.calls]
	if how != "" {
		f.failed++
	}
	if how == failDead {
		panic(killed{})
	}
	return how
}

// after ends a call that succeeded.
func (f *fake) after(how failure) error {
	if how == failAfter {
		panic(killed{})
	}
	return nil
}

func simpleFailure(how failure) bool {
	return how == failClean || how == failLost || how == failStuck || how == failHalf
}

func (f *fake) find(name wire.Name) *fakeDev {
	for _, d := range f.devs {
		if d.name == name.String() {
			return d
		}
	}
	return nil
}

func refs(t table.Table) []blockdev.DevNo {
	var out []blockdev.DevNo
	add := func(s ...string) {
		for _, s := range s {
			dev, _ := parseDev(s)
			out = append(out, dev)
		}
	}
	for _, l := range t {
		switch s := l.Spec.(type) {
		case table.Linear:
			add(s.Device)
		case table.SnapshotOrigin:
			add(s.Device)
		case table.Snapshot:
			add(s.Origin, s.COW)
		case table.SnapshotMerge:
			add(s.Origin, s.COW)
		}
	}
	return out
}

// users counts who has dev open: tables, live and waiting, and others.
func (f *fake) users(d *fakeDev) int {
	n := f.open[d.name]
	for _, o := range f.devs {
		for _, t := range []table.Table{o.live, o.waiting} {
			if slices.Contains(refs(t), d.dev) {
				n++
			}
		}
	}
	return n
}

func (f *fake) exists(dev blockdev.DevNo) bool {
	for _, d := range f.disks {
		if d.Dev == dev {
			return true
		}
	}
	return slices.ContainsFunc(f.devs, func(d *fakeDev) bool { return d.dev == dev })
}

func (f *fake) held() []string {
	var out []string
	for _, d := range f.devs {
		if d.suspended {
			out = append(out, d.name)
		}
	}
	return out
}

func (f *fake) Version() (gate.Version, error) { return gate.Version{Major: 4, Minor: 47}, nil }
func (f *fake) Targets() ([]wire.TargetVersion, error) {
	return []wire.TargetVersion{{Name: "snapshot", Version: gate.Version{Major: 1, Minor: 16}}}, nil
}
func (f *fake) LoadTarget(string) (gate.Version, error) { return gate.Version{}, syscall.EINVAL }
func (f *fake) TryLock() (bool, error) {
	if f.tryLock == nil {
		return true, nil
	}
	return f.tryLock(), nil
}
func (f *fake) Unlock()                {}
func (f *fake) Arm() error             { return nil }
func (f *fake) Poll(int) (bool, error) { return false, nil }
func (f *fake) Close() error           { return nil }

func (f *fake) List() ([]wire.Device, error) {
	var out []wire.Device
	for _, d := range f.devs {
		name, _ := wire.NewName(d.name)
		out = append(out, wire.Device{Name: name, Dev: d.dev, EventNr: d.events})
	}
	return out, nil
}

func (f *fake) info(d *fakeDev) wire.Info {
	name, _ := wire.NewName(d.name)
	i := wire.Info{Name: name, Dev: d.dev, OpenCount: int32(f.users(d)), EventNr: d.events, Targets: uint32(len(d.live))}
	if d.uuid != "" {
		i.UUID, _ = wire.NewUUID(d.uuid)
	}
	if d.suspended {
		i.Flags |= wire.FlagSuspend
	}
	if d.live != nil {
		i.Flags |= wire.FlagActive
	}
	if d.waiting != nil {
		i.Flags |= wire.FlagInactive
	}
	return i
}

func (f *fake) Info(name wire.Name) (wire.Info, error) {
	d := f.find(name)
	if d == nil {
		return wire.Info{}, syscall.ENXIO
	}
	return f.info(d), nil
}

func (f *fake) Table(name wire.Name, inactive bool) (wire.Info, table.Table, error) {
	d := f.find(name)
	if d == nil {
		return wire.Info{}, nil, syscall.ENXIO
	}
	if inactive {
		return f.info(d), d.waiting, nil
	}
	return f.info(d), d.live, nil
}

// merging says whether a merge into the device is live: the kernel loads no
// second one (drivers/md/dm-snap.c: __validate_exception_handover).
func (f *fake) merging(origin string) bool {
	return slices.ContainsFunc(f.devs, func(d *fakeDev) bool {
		m, ok := soleSpec(d.live).(table.SnapshotMerge)
		return ok && m.Origin == origin
	})
}

// Status says of every snapshot that it is empty, so that a merge is done,
// unless it was made to fail.
func (f *fake) Status(name wire.Name) (wire.Info, []statusLine, error) {
	d := f.find(name)
	if d == nil {
		return wire.Info{}, nil, syscall.ENXIO
	}
	if d.mergeFailed {
		return f.info(d), []statusLine{{"snapshot-merge", "Merge failed"}}, nil
	}
	return f.info(d), []statusLine{{"snapshot", "16/2048 16"}}, nil
}

func (f *fake) Create(name wire.Name, uuid wire.UUID) error {
	how := f.change()
	if simpleFailure(how) {
		return syscall.ENOMEM
	}
	for _, d := range f.devs {
		if d.name == name.String() || uuid.String() != "" && d.uuid == uuid.String() {
			return syscall.EBUSY
		}
	}
	f.minor++
	f.devs = append(f.devs, &fakeDev{name: name.String(), uuid: uuid.String(), dev: blockdev.DevNo{Major: 253, Minor: f.minor}})
	slices.SortFunc(f.devs, func(a, b *fakeDev) int { return strings.Compare(a.name, b.name) })
	return f.after(how)
}

func (f *fake) Load(name wire.Name, t table.Table) error {
	how := f.change()
	if simpleFailure(how) {
		return syscall.ENOMEM
	}
	d := f.find(name)
	if d == nil {
		return syscall.ENXIO
	}
	if held := f.held(); len(held) > 0 && f.failed == 0 {
		f.broken = append(f.broken, fmt.Sprintf("load of %s while %v is suspended", name, held))
	}
	if t.Check(512) != nil {
		return syscall.EINVAL
	}
	for _, dev := range refs(t) {
		if !f.exists(dev) || dev == d.dev {
			return syscall.EINVAL
		}
	}
	if m, ok := soleSpec(t).(table.SnapshotMerge); ok && f.merging(m.Origin) {
		return syscall.EINVAL
	}
	d.waiting = t
	return f.after(how)
}

func (f *fake) Clear(name wire.Name) error {
	how := f.change()
	if simpleFailure(how) {
		return syscall.EIO
	}
	d := f.find(name)
	if d == nil {
		return syscall.ENXIO
	}
	d.waiting = nil
	return f.after(how)
}

func (f *fake) Suspend(name wire.Name, _ wire.Flags) error {
	how := f.change()
	if simpleFailure(how) {
		return syscall.EINTR
	}
	d := f.find(name)
	if d == nil {
		return syscall.ENXIO
	}
	if d.live == nil {
		return syscall.EINVAL
	}
	if f.memory != 1 || !f.guarded {
		f.broken = append(f.broken, fmt.Sprintf("%s is suspended with memory locked %d times, guardian %v", name, f.memory, f.guarded))
	}
	d.suspended = true
	return f.after(how)
}

func (f *fake) Resume(name wire.Name, _ wire.Udev) error {
	how := f.change()
	d := f.find(name)
	if d == nil {
		return syscall.ENXIO
	}
	if d.waiting == nil {
		if simpleFailure(how) || d.live == nil || f.awaitsHandover(d) {
			return syscall.EINVAL
		}
		d.suspended = false
		return f.after(how)
	}
	if d.live != nil && f.memory != 1 {
		f.broken = append(f.broken, fmt.Sprintf("%s is swapped with memory locked %d times", name, f.memory))
	}
	next := d.waiting
	switch how {
	case failClean:
		return syscall.ENOMEM
	case failLost:
		d.waiting = nil
		return syscall.EINVAL
	case failStuck:
		d.waiting, d.suspended = nil, d.live != nil
		return syscall.EINVAL
	case failHalf:
		d.live, d.waiting, d.suspended = next, nil, true
		return syscall.EINVAL
	}
	d.live, d.waiting, d.mergeFailed = next, nil, false
	if f.sharesCOW(d) {
		d.suspended = true
		return syscall.EINVAL
	}
	d.suspended = false
	return f.after(how)
}

// sharesCOW says whether the store would have to be handed over to d, by a
// device that is not suspended: from a snapshot to its merge, or back
// (drivers/md/dm-snap.c: snapshot_preresume).
func (f *fake) sharesCOW(d *fakeDev) bool {
	from := cowOf[table.Snapshot]
	cow := cowOf[table.SnapshotMerge](d.live)
	if cow == "" {
		from, cow = cowOf[table.SnapshotMerge], cowOf[table.Snapshot](d.live)
	}
	return cow != "" && slices.ContainsFunc(f.devs, func(o *fakeDev) bool {
		return o != d && from(o.live) == cow && !o.suspended
	})
}

func cowOf[S table.Snapshot | table.SnapshotMerge](t table.Table) string {
	if s, ok := soleSpec(t).(S); ok {
		return table.SnapshotArgs(s).COW
	}
	return ""
}

// awaitsHandover says whether a merge of the snapshot d is loaded and waits
// (the same function: the source does not resume until handover completes).
func (f *fake) awaitsHandover(d *fakeDev) bool {
	s, ok := soleSpec(d.live).(table.Snapshot)
	return ok && slices.ContainsFunc(f.devs, func(o *fakeDev) bool {
		m, ok := soleSpec(o.waiting).(table.SnapshotMerge)
		return ok && m.COW == s.COW
	})
}

func (f *fake) Rename(from, to wire.Name, _ wire.Udev) error {
	how := f.change()
	if simpleFailure(how) {
		return syscall.EBUSY
	}
	d := f.find(from)
	if d == nil {
		return syscall.ENXIO
	}
	if f.find(to) != nil {
		return syscall.EBUSY
	}
	if dev, ok := f.nodes[d.name]; ok { // udev follows
		delete(f.nodes, d.name)
		f.nodes[to.String()] = dev
	}
	d.name = to.String()
	return f.after(how)
}

func (f *fake) Remove(name wire.Name) error {
	how := f.change()
	if simpleFailure(how) {
		return syscall.EIO
	}
	d := f.find(name)
	if d == nil {
		return syscall.ENXIO
	}
	if f.users(d) > 0 {
		return syscall.EBUSY
	}
	f.devs = slices.DeleteFunc(f.devs, func(o *fakeDev) bool { return o == d })
	return f.after(how)
}
