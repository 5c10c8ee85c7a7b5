package dmctl

// The rest of the machine in memory: disks, nodes, and the state as text.

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/dmctl/internal/wire"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

func (f *fake) Disk(path string) (disk, error) {
	if d, ok := f.disks[path]; ok {
		return d, nil
	}
	for _, d := range f.devs {
		if "/dev/mapper/"+d.name == path {
			return disk{Path: path, Dev: d.dev, Bytes: int64(d.live.Size()) * 512, Block: 512}, nil
		}
	}
	return disk{}, syscall.ENOENT
}

func (f *fake) Users(dev blockdev.DevNo) ([]user, error) {
	var out []user
	for _, d := range f.devs {
		if slices.Contains(refs(d.live), dev) {
			out = append(out, user{What: "held by " + d.name, Holder: d.dev})
		}
	}
	return out, nil
}

func (f *fake) Below(dev blockdev.DevNo) ([]blockdev.DevNo, error) {
	if f.lost[dev] {
		return nil, unlessForced(false, "cannot tell where %v lies", dev)
	}
	out := []blockdev.DevNo{dev}
	for _, d := range f.devs {
		if d.dev == dev {
			for _, r := range refs(d.live) {
				more, _ := f.Below(r)
				out = append(out, more...)
			}
		}
	}
	return out, nil
}

func (f *fake) Carries(path string, _ int64) ([]string, error) { return f.carries[path], nil }
func (f *fake) NodePath(dev blockdev.DevNo) string             { return dev.String() }

func (f *fake) Judge(_ context.Context, _ string, _ uint64) (*verify.Report, error) {
	return &verify.Report{Verdict: f.verdict, Header: &verify.Header{ChunkSectors: 8}}, nil
}
func (f *fake) Refresh(blockdev.DevNo) error { return f.touch() }

// touch is what may need memory, a file or the root file system.
func (f *fake) touch() error {
	how := f.change()
	if held := f.held(); len(held) > 0 && f.failed == 0 {
		f.broken = append(f.broken, fmt.Sprintf("something else is touched while %v is suspended", held))
	}
	if simpleFailure(how) {
		return syscall.EIO
	}
	return f.after(how)
}

func (f *fake) Flush(string) error             { return f.touch() }
func (f *fake) DropCache(blockdev.DevNo) error { return f.touch() }

func (f *fake) Zero(path string, _ int64) error {
	f.zeroed = append(f.zeroed, path)
	return f.touch()
}

func (f *fake) AddNode(name wire.Name, dev blockdev.DevNo) error {
	if err := f.touch(); err != nil {
		return err
	}
	f.nodes[name.String()] = dev
	return nil
}

func (f *fake) RemoveNode(name wire.Name) error {
	if err := f.touch(); err != nil {
		return err
	}
	delete(f.nodes, name.String())
	return nil
}

func (f *fake) Nodes() map[wire.Name]blockdev.DevNo {
	out := map[wire.Name]blockdev.DevNo{}
	for n, dev := range f.nodes {
		name, _ := wire.NewName(n)
		out[name] = dev
	}
	return out
}

func (f *fake) NodeFree(wire.Name) error { return nil }

func (f *fake) HasNode(name wire.Name, dev blockdev.DevNo) bool {
	d, ok := f.nodes[name.String()]
	return ok && d == dev
}

func (f *fake) LockMemory() (func(), error) {
	if err := f.touch(); err != nil {
		return nil, err
	}
	f.memory++
	return func() { f.memory-- }, nil
}

// Guard stands guard over inUse; death lets it act.
func (f *fake) Guard(inUse []blockdev.DevNo) (func() error, error) {
	if err := f.touch(); err != nil {
		return nil, err
	}
	f.guarded = true
	f.inUse = inUse
	return func() error {
		f.guarded = false
		return f.tooLong
	}, nil
}

// bury is what becomes of a process that died: its memory and its lock are
// free, and its guardian acts.
func (f *fake) bury() error {
	f.memory = 0
	if !f.guarded {
		return nil
	}
	f.guarded = false
	for _, d := range f.devs {
		if slices.Contains(f.inUse, d.dev) {
			if d.waiting != nil {
				d.live, d.waiting = d.waiting, nil
			}
			d.suspended = false
		}
	}
	return f.controller().Recover(context.Background())
}

// String is the state, with devices by name instead of number: two machines
// on which everything works the same have the same.
func (f *fake) String() string {
	byDev := map[string]string{}
	for _, d := range f.devs {
		byDev[d.dev.String()] = d.name
	}
	text := func(t table.Table) string {
		var out []string
		for _, l := range t {
			words := strings.Fields(l.String())
			for i, w := range words {
				if n, ok := byDev[w]; ok {
					words[i] = n
				}
			}
			out = append(out, strings.Join(words, " "))
		}
		return strings.Join(out, "; ")
	}
	var b strings.Builder
	for _, d := range f.devs {
		u, _ := wire.NewUUID(d.uuid)
		r, _, _ := parseUUID(u)
		_, node := f.nodes[d.name]
		fmt.Fprintf(&b, "%s role=%q suspended=%v node=%v live=[%s] waiting=[%s]\n", d.name, r, d.suspended, node, text(d.live), text(d.waiting))
	}
	for n := range f.nodes {
		if name, err := wire.NewName(n); err == nil && f.find(name) == nil {
			fmt.Fprintf(&b, "node %s of no device\n", n)
		}
	}
	return b.String()
}
