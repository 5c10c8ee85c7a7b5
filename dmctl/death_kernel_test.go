//go:build linux && kernel

package dmctl

// SIGKILL at every step of every plan, on a real kernel: the test binary runs
// itself, and the child kills itself at the given step.

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

const (
	envChild  = "DMSNAPCTL_TEST_CHILD"  // the request, as JSON
	envDieAt  = "DMSNAPCTL_TEST_DIE_AT" // the step before which it dies, counted over all plans
	envAttack = "DMSNAPCTL_TEST_ATTACK" // how it dies, if not by SIGKILL: the name of an attack
	// envPatient makes it wait for others as long as the program does.
	envPatient = "DMSNAPCTL_TEST_PATIENT"
	dieNever   = 1 << 20
	inThePause = "the attack comes in the pause" // said by the child
)

// request is what the child must do.
type request struct {
	Create   *CreateRequest
	Remove   *RemoveRequest
	Merge    *MergeRequest
	Activate *ActivateRequest
	Rename   string // s becomes this
	Grow     string

	Clone        *CloneRequest
	Reset        *ResetRequest
	RemoveClones *RemoveClonesRequest

	Recover, List bool
}

func TestMain(m *testing.M) {
	if guarded := BeGuardian(); guarded != nil {
		if guarded.Err != nil {
			fmt.Fprintln(os.Stderr, "the guardian:", guarded.Err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	text, child := os.LookupEnv(envChild)
	if !child {
		os.Exit(m.Run())
	}
	if err := beChild(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func beChild(text string) error {
	var r request
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return err
	}
	dieAt, err := strconv.Atoi(os.Getenv(envDieAt))
	if err != nil {
		return err
	}
	c, err := openMachine()
	if err != nil {
		return err
	}
	if os.Getenv(envPatient) != "" {
		machineOf(c).sleep = time.Sleep
	}
	how := attackNamed(os.Getenv(envAttack))
	ctx := how.context()
	step := 0
	c.e.BeforeStep = func(p *Plan, n int) {
		if step++; step == dieAt {
			if first, last, paused := p.Pause(); paused && n >= first && n <= last {
				fmt.Fprintln(os.Stderr, inThePause)
			}
			how.strike(ctx)
		}
	}
	defer func() { fmt.Println(step) }()
	switch {
	case r.Recover:
		return c.Recover(ctx)
	case r.List:
		_, err := c.Snapshots(ctx)
		return err
	case r.Create != nil:
		return c.Create(ctx, *r.Create)
	case r.Clone != nil:
		return c.Clone(ctx, *r.Clone)
	case r.Reset != nil:
		return c.Reset(ctx, *r.Reset)
	case r.RemoveClones != nil:
		return c.RemoveClones(ctx, *r.RemoveClones)
	case r.Remove != nil:
		return c.Remove(ctx, *r.Remove)
	case r.Activate != nil:
		return c.Activate(ctx, *r.Activate)
	case r.Rename != "":
		return doPlan(func(c *Controller) (*Plan, error) { return c.PlanRename(ctx, "s", r.Rename) })(c)
	case r.Grow != "":
		return doPlan(func(c *Controller) (*Plan, error) { return c.PlanGrow(ctx, GrowRequest{Name: r.Grow}) })(c)
	default:
		return c.Merge(ctx, *r.Merge, nil)
	}
}

func child(t *testing.T, r request, dieAt int) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), envChild+"="+string(text), envDieAt+"="+strconv.Itoa(dieAt))
	// A pipe, so that Wait waits for the child's guardian, too.
	cmd.Stderr = testWriter{t}
	return cmd
}

// testWriter puts a child's messages into the test's log.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Logf("%s", p)
	return len(p), nil
}

// killed reports whether the child was killed. Any other failure fails the
// test.
func wasKilled(t *testing.T, cmd *exec.Cmd) bool {
	t.Helper()
	err := cmd.Run()
	if err == nil {
		return false
	}
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("the child: %v", err)
	}
	return true
}

// state returns all devices with their tables, by name and without changing
// figures.
func state(t *testing.T, c *Controller) string {
	t.Helper()
	settle(t) // otherwise /dev/mapper may be out of date
	v, err := devices.Look(c.e)
	if err != nil {
		t.Fatal(err)
	}
	tables := liveTables(t)
	var b strings.Builder
	for _, d := range v {
		if d.Suspended() {
			t.Errorf("%s is suspended", d.Name)
		}
		text := tables[d.Name.String()]
		for _, o := range v {
			text = strings.ReplaceAll(text, o.Dev.String()+" ", o.Name.String()+" ")
			text = strings.ReplaceAll(text, o.Dev.String()+"\n", o.Name.String()+"\n")
		}
		fmt.Fprintf(&b, "%s %s waiting=%v node=%v\n%s", d.Name, d.Role(), d.HasInactive(), c.e.HasNode(d.Name, d.Dev), text)
	}
	return b.String()
}

// liveTables returns the tables of all devices, not all of which the
// controller reads. Starting a program for each would take longer than the
// test itself.
func liveTables(t *testing.T) map[string]string {
	t.Helper()
	out, err := exec.Command("/usr/sbin/dmsetup", "table").Output()
	if err != nil {
		t.Fatalf("dmsetup table: %v", err)
	}
	tables := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, text, _ := strings.Cut(line, ": ")
		tables[name] += text
	}
	return tables
}

// liveTable returns any device's table, which the controller does not read.
func liveTable(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("/usr/sbin/dmsetup", "table", "--", name).Output()
	if err != nil {
		t.Fatalf("dmsetup table %s: %v", name, err)
	}
	return string(out)
}

// noneSuspended checks that nothing is suspended, even though nobody has
// called recover.
func noneSuspended(t *testing.T, c *Controller, when string) {
	t.Helper()
	v, err := devices.Look(c.e)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v {
		if d.Suspended() {
			t.Errorf("%s: %s is suspended", when, d.Name)
		}
	}
}

// deaths are requests on a machine with the dm device vol and the plain disk.
// They are forced, because the COW devices still contain the stores of earlier
// requests.
type death struct {
	name  string
	setup []CreateRequest
	do    request
}

func deathScenarios(disks []string) []death {
	onVol := CreateRequest{Name: "s", Origin: "/dev/mapper/vol", COW: disks[1], ChunkBytes: 8 << 9, Overflow: true, Force: true}
	onVol2 := CreateRequest{Name: "t", Origin: "/dev/mapper/vol", COW: disks[2], Transient: true, Force: true}
	onDisk := CreateRequest{Name: "s", Origin: disks[3], COW: disks[1], ChunkBytes: 8 << 9, Force: true}
	onDisk2 := CreateRequest{Name: "t", Origin: disks[3], COW: disks[2], ChunkBytes: 16 << 9, Force: true}
	type setup = []CreateRequest
	return []death{
		{"create on plain", nil, request{Create: &onDisk}},
		{"create second on plain", setup{onDisk}, request{Create: &onDisk2}},
		{"create on mapped", nil, request{Create: &onVol}},
		{"create second on mapped", setup{onVol}, request{Create: &onVol2}},
		{"remove from plain", setup{onDisk}, request{Remove: &RemoveRequest{Name: "s"}}},
		{"remove from mapped", setup{onVol}, request{Remove: &RemoveRequest{Name: "s"}}},
		{"remove one of two", setup{onVol, onVol2}, request{Remove: &RemoveRequest{Name: "s"}}},
		{"merge into plain", setup{onDisk}, request{Merge: &MergeRequest{Name: "s"}}},
		{"merge into mapped", setup{onVol}, request{Merge: &MergeRequest{Name: "s"}}},
		{"activate on mapped", nil, request{Activate: &ActivateRequest{Name: "s", Origin: "/dev/mapper/vol", COW: disks[1], Force: true}}},
		{"rename", setup{onDisk}, request{Rename: "u"}},
		{"grow", setup{onVol}, request{Grow: "s"}},
		{"merge one of two", setup{onVol, onVol2}, request{Merge: &MergeRequest{Name: "s"}}},
	}
}

// prepare builds the scenario's machine again.
func (d death) prepare(t *testing.T, c *Controller, disks []string) {
	t.Helper()
	removeAll(t, c)
	if d.do.Activate != nil {
		emptyStores(t, disks[1], 1)
	}
	mapped(t, c, "vol", "0 8192 linear "+disks[0]+" 0\n8192 8192 linear "+disks[0]+" 16384")
	for _, r := range d.setup {
		create(t, c, r)
	}
}

func TestKilledAtEveryStep(t *testing.T) {
	t.Setenv("PATH", "") // no blkid: it is asked before the first step
	c, disks := scratch(t)
	for _, d := range deathScenarios(disks) {
		t.Run(d.name, func(t *testing.T) { d.atEveryStep(t, c, disks) })
	}
}

// A udev that is at work on the nodes when the program is killed.
func TestKilledBesideUdev(t *testing.T) {
	wantUdev(t, udevAlive)
	t.Setenv("PATH", "")
	c, disks := scratch(t)
	for _, d := range deathScenarios(disks) {
		if d.name == "activate on mapped" {
			d.atEveryStep(t, c, disks)
		}
	}
}

// atEveryStep kills the run before each of its steps.
func (d death) atEveryStep(t *testing.T, c *Controller, disks []string) {
	t.Helper()
	d.prepare(t, c, disks)
	before := state(t, c)
	if wasKilled(t, child(t, d.do, dieNever)) {
		t.Fatal("it died")
	}
	after := state(t, c)
	steps := 0
	for at := 1; ; at++ {
		d.prepare(t, c, disks)
		if !wasKilled(t, child(t, d.do, at)) {
			break
		}
		steps++
		noneSuspended(t, c, fmt.Sprintf("killed before step %d", at))
		if err := c.Recover(context.Background()); err != nil {
			t.Errorf("killed before step %d: recover: %v", at, err)
		}
		got := state(t, c)
		if got == before || got == after {
			continue
		}
		t.Errorf("killed before step %d: after recover neither before nor after; not before: %s not after: %s", at, cmp.Diff(before, got), cmp.Diff(after, got))
	}
	if steps < 2 {
		t.Errorf("only %d steps", steps)
	}
}
