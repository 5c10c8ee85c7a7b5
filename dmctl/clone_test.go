package dmctl

// Clones on an in-memory machine.

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// withImage is a machine with an image of 1 MiB.
func withImage(c *Controller) error {
	machineInMemory(c).Files["/img"] = &dmtest.File{Bytes: 1 << 20}
	return nil
}

func machineInMemory(c *Controller) *dmtest.Machine { return c.e.Machine.(*dmtest.Machine) }

func clonesOf(names ...string) CloneRequest {
	return CloneRequest{Names: names, Base: "/img", StoreDir: "/stores"}
}

func doClone(r CloneRequest) func(*Controller) error {
	return func(c *Controller) error { return c.Clone(context.Background(), r) }
}

func doReset(names ...string) func(*Controller) error {
	return func(c *Controller) error { return c.Reset(context.Background(), ResetRequest{names}) }
}

func doRemoveClones(stores bool, names ...string) func(*Controller) error {
	return func(c *Controller) error {
		return c.RemoveClones(context.Background(), RemoveClonesRequest{names, stores})
	}
}

// storeFile is a file with an empty store of chunks of 4 KiB.
func storeFile(c *Controller) error {
	machineInMemory(c).Files["/stores/s.cow"] = &dmtest.File{Bytes: 1 << 20, Data: dmtest.EmptyStore(8)}
	return nil
}

func doActivateClone(r ActivateCloneRequest) func(*Controller) error {
	return func(c *Controller) error { return c.ActivateClone(context.Background(), r) }
}

func cloneScenarios() []scenario {
	type steps = []func(*Controller) error
	transient := clonesOf("s")
	transient.Transient = true
	onDevice := CloneRequest{Names: []string{"s"}, Base: "/img", Store: "/dev/b"}
	return []scenario{
		{"clone", steps{withImage}, doClone(clonesOf("s")), nil},
		{"clone transient", steps{withImage}, doClone(transient), nil},
		{"clone on a device", steps{withImage}, doClone(onDevice), nil},
		{"reset clone", steps{withImage, doClone(clonesOf("s"))}, doReset("s"), nil},
		{"reset transient clone", steps{withImage, doClone(transient)}, doReset("s"), nil},
		{"remove clone", steps{withImage, doClone(clonesOf("s"))}, doRemoveClones(false, "s"), nil},
		{"remove clone and store", steps{withImage, doClone(clonesOf("s"))}, doRemoveClones(true, "s"), nil},
		{"activate clone", steps{withImage, storeFile}, doActivateClone(ActivateCloneRequest{Name: "s", Base: "/img", Store: "/stores/s.cow"}), nil},
	}
}

func newMachine(t *testing.T, setup ...func(*Controller) error) *Controller {
	t.Helper()
	c := NewOn(dmtest.New())
	for _, step := range setup {
		if err := step(c); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// There is one read-only loop device for all clones, and a separate one for
// each store. All go with the clones, and so do the files if that is
// requested.
func TestClonesShareTheirBase(t *testing.T) {
	c := newMachine(t, withImage, doClone(clonesOf("s", "t")), doClone(clonesOf("u")))
	m := machineInMemory(c)
	if len(m.Loops) != 4 {
		t.Errorf("%d loop devices, want one for the base and three", len(m.Loops))
	}
	for _, l := range m.Loops {
		if l.ReadOnly != (m.FileOf(l.Number) == "/img") {
			t.Errorf("%s: read-only %v", m.FileOf(l.Number), l.ReadOnly)
		}
	}
	if err := doRemoveClones(true, "t", "u", "s")(c); err != nil {
		t.Fatal(err)
	}
	if left := m.String(); left != "file /img\n" {
		t.Errorf("left: %s", left)
	}
}

// A failure undoes one clone; the others are made, and the error says which
// one failed.
func TestOneOfManyClonesFails(t *testing.T) {
	for call := 1; ; call++ {
		c := newMachine(t, withImage)
		m := machineInMemory(c)
		m.Failures[call] = dmtest.Clean
		err := doClone(clonesOf("s", "t", "u"))(c)
		if m.Failed() == 0 {
			break
		}
		if err == nil {
			t.Errorf("call %d: no error", call)
			continue
		}
		delete(m.Failures, call)
		var parts *PartErrors
		if errors.As(err, &parts) && !errors.Is(err, ErrIncomplete) {
			failed := parts.Failed[0].Name
			if len(parts.Failed) != 1 || m.Find(failed) != nil || m.Files["/stores/"+failed+".cow"] != nil || len(m.Devices) != 2 {
				t.Errorf("call %d: %v:\n%s", call, err, m)
			}
		}
		if err := c.Recover(context.Background()); err != nil {
			t.Errorf("call %d: %v", call, err)
		}
		if len(m.NotesKept) > 0 || len(m.Files) != 1+len(m.Devices) || len(m.Broken) > 0 {
			t.Errorf("call %d: %v, after recover:\n%s%v", call, err, m, m.Broken)
		}
	}
}

// A store is never deleted or replaced while its loop device exists.
func TestStoreOutlivesItsLoopDevice(t *testing.T) {
	for name, do := range map[string]func(*Controller) error{"remove": doRemoveClones(true, "s"), "reset": doReset("s")} {
		c := newMachine(t, withImage, doClone(clonesOf("s")))
		m := machineInMemory(c)
		args, _ := devices.SoleSpec(m.Find("s").Live).(table.Snapshot)
		loop, _ := devices.ParseDev(args.COW)
		m.HeldOpen = append(m.HeldOpen, loop)
		if err := do(c); !errors.Is(err, ErrIncomplete) || !strings.Contains(err.Error(), "keeps") {
			t.Errorf("%s: %v", name, err)
		}
		if m.Files["/stores/s.cow"] == nil || len(m.Broken) > 0 || len(m.NotesKept) != 1 {
			t.Errorf("%s, while the loop device is open: %s %v", name, m, m.Broken)
		}
		m.HeldOpen = nil
		_ = c.e.Clear(mustParse(t, "s")) // makes the machine check which users are left
		if err := c.Recover(context.Background()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if len(m.NotesKept) > 0 || (m.Files["/stores/s.cow"] == nil) != (name == "remove") || len(m.Files) > 2 {
			t.Errorf("%s, after recover: %s", name, m)
		}
	}
}

// After a reboot no note says what was under way. A file with a name that no
// clone has is deleted, a store is reported, and what is active is left alone.
func TestRecoverStores(t *testing.T) {
	c := newMachine(t, withImage, doClone(clonesOf("s")))
	m := machineInMemory(c)
	for _, p := range []string{"/stores/.t.cow.dmsnap-0123456789ab", "/stores/u.cow", "/stores/.mine"} {
		m.Files[p] = &dmtest.File{Bytes: 1 << 20}
	}
	p, err := c.PlanRecoverStores(context.Background(), "/stores")
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, "/stores/u.cow ") || len(p.Steps()) != 1 {
		t.Errorf("%s", textOf(p))
	}
	if err := c.Run(context.Background(), p); err != nil {
		t.Fatal(err)
	}
	if m.Files["/stores/.t.cow.dmsnap-0123456789ab"] != nil || len(m.Files) != 4 {
		t.Errorf("left:\n%s", m)
	}
}

// A clone that is reset has another file under the same name.
func TestResetMakesANewFile(t *testing.T) {
	c := newMachine(t, withImage, doClone(clonesOf("s")))
	before, _ := c.e.FileID("/stores/s.cow")
	if err := doReset("s")(c); err != nil {
		t.Fatal(err)
	}
	if after, err := c.e.FileID("/stores/s.cow"); err != nil || after == before {
		t.Errorf("the file is the same: %v, %v", after, err)
	}
}

// A snapshot may be made of files, too. Their loop devices go with it.
func TestCreateAndActivateOnFiles(t *testing.T) {
	c := newMachine(t, withImage, storeFile)
	m := machineInMemory(c)
	before := m.String()
	m.Files["/cow"] = &dmtest.File{Bytes: 1 << 20}
	create := CreateRequest{Name: "s", Origin: "/img", COW: "/cow"}
	for name, do := range map[string]func(*Controller) error{
		"create":   doCreate(create),
		"activate": doActivate(ActivateRequest{Name: "s", Origin: "/img", COW: "/stores/s.cow"}),
	} {
		if err := do(c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(m.Loops) != 2 || len(m.Devices) != 2 {
			t.Errorf("%s: %s", name, m)
		}
		again := create
		again.Name = "t"
		if err := doCreate(again)(c); !errors.Is(err, ErrBusy) {
			t.Errorf("one more of the files: %v", err)
		}
		if err := doRemove("s")(c); err != nil {
			t.Fatal(err)
		}
	}
	delete(m.Files, "/cow")
	if after := m.String(); after != before {
		t.Errorf("left:\n%s", after)
	}
}

func mustParse(t *testing.T, s string) devices.Name {
	t.Helper()
	n, err := devices.ParseName(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// After a reboot, only the name shows which files recover may delete.
func TestTempNames(t *testing.T) {
	n := newNote()
	if f := n.add("/stores/a.cow", false); !isTempName(strings.TrimPrefix(f.Temp, "/stores/")) {
		t.Errorf("our own %s is not known", f.Temp)
	}
	for name, want := range map[string]bool{
		".a.cow.dmsnap-0123456789ab": true, "..dmsnap-0123456789ab": true, ".x.dmsnap-1.dmsnap-0123456789ab": true,
		"a.cow.dmsnap-0123456789ab": false, ".a.cow.dmsnap-0123456789a": false, ".a.cow.dmsnap-0123456789abc": false,
		".a.cow.dmsnap-0123456789aG": false, ".dmsnap-0123456789ab": false, "a.cow": false, "": false,
	} {
		if isTempName(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
