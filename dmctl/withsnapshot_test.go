package dmctl

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

const withDir = "/mnt/with"

// onVolume is a machine with the logical volume vg/vol.
func onVolume() *dmtest.Machine {
	m := dmtest.New()
	m.Devices = append(m.Devices, &dmtest.Device{
		Name: "vg-vol", UUID: "LVM-abc", Dev: blockdev.DevNo{Major: 253, Minor: 50},
		Live: table.Single(2048, table.Linear{Device: "8:3"}),
	})
	return m
}

// onMappedDisk is a machine with the device vol.
func onMappedDisk() *dmtest.Machine {
	m := onVolume()
	m.Devices[0].Name, m.Devices[0].UUID = "vol", ""
	return m
}

// withSteps are the plan's steps without the name's random part.
func withSteps(p *Plan) []string {
	return strings.Split(regexp.MustCompile(`dmsnap-with-[0-9a-f]{12}`).ReplaceAllString(strings.Join(p.Steps(), "\n"), "WITH"), "\n")
}

func TestWithPlan(t *testing.T) {
	m := dmtest.New()
	m.Disks["/dev/a"].Carries = []string{"ext", "ext4"}
	p, w, err := NewOn(m).PlanWith(context.Background(), WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: withDir})
	if err != nil {
		t.Fatal(err)
	}
	steps := withSteps(p)
	want := []string{
		"write down what to clean up if this run is killed",
		"zero the start of /dev/b (8:1, 1048576 bytes) and flush it",
		"mount WITH (ext4) at /mnt/with, read-only",
	}
	if diff := cmp.Diff(want, append(steps[:2:2], steps[len(steps)-1])); diff != "" {
		t.Error(diff)
	}
	if !slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "store N on /dev/b") }) {
		t.Errorf("the snapshot is not a transient one: %q", steps)
	}
	if !strings.HasPrefix(w.Path, "/dev/mapper/dmsnap-with-") || w.Mount != withDir {
		t.Errorf("%+v", w)
	}
	p, _, err = NewOn(onVolume()).PlanWith(context.Background(), WithRequest{Origin: "vg/vol", Bytes: 64 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{want[0], "have LVM make the snapshot vg/WITH of vg/vol, with 67108864b for changes"}, withSteps(p)); diff != "" {
		t.Error(diff)
	}
}

func TestWithRefusals(t *testing.T) {
	for name, tt := range map[string]struct {
		request WithRequest
		change  func(m *dmtest.Machine)
		want    error
		says    string
	}{
		"no COW device":      {WithRequest{Origin: "/dev/a"}, nil, ErrUsage, "not a logical volume"},
		"COW device for LVM": {WithRequest{Origin: "vg/vol", COW: "/dev/b"}, nil, ErrUsage, "its volume group"},
		"size of a device":   {WithRequest{Origin: "/dev/a", COW: "/dev/b", Bytes: 1 << 20}, nil, ErrUsage, "its own size"},
		"relative place":     {WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: "mnt"}, nil, ErrUsage, "begins with /"},
		"place taken": {WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: withDir}, func(m *dmtest.Machine) {
			m.Devices[0].Mounted = withDir
		}, ErrBusy, "already"},
		"btrfs": {WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: withDir}, func(m *dmtest.Machine) {
			m.Disks["/dev/a"].Carries = []string{"btrfs"}
		}, ErrRefused, "btrfs"},
		"nothing to mount": {WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: withDir}, nil, ErrRefused, "no known file system"},
		"LVM's, but not by its name": {WithRequest{Origin: "/dev/mapper/volume"}, func(m *dmtest.Machine) {
			m.Devices[0].Name = "volume"
		}, ErrRefused, "not a name from LVM"},
		"a volume group's disk": {WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: withDir}, func(m *dmtest.Machine) {
			m.Disks["/dev/a"].Carries = []string{"LVM2_member"}
		}, ErrRefused, "LVM2_member"},
	} {
		m := onVolume()
		if tt.change != nil {
			tt.change(m)
		}
		_, _, err := NewOn(m).PlanWith(context.Background(), tt.request)
		if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || m.Calls > 0 {
			t.Errorf("%s: %v, %d calls", name, err, m.Calls)
		}
	}
}

// withCases are the origins that such a snapshot can have.
var withCases = map[string]struct {
	machine func() *dmtest.Machine
	request WithRequest
}{
	"plain":   {dmtest.New, WithRequest{Origin: "/dev/a", COW: "/dev/b", Mount: withDir}},
	"mapped":  {onMappedDisk, WithRequest{Origin: "vol", COW: "/dev/b", Mount: withDir}},
	"file":    {dmtest.New, WithRequest{Origin: "/dev/a", StoreDir: "/var/tmp", Mount: withDir}},
	"on file": {onMappedDisk, WithRequest{Origin: "vol", StoreDir: "/var/tmp", Percent: 10, Mount: withDir}},
	"volume":  {onVolume, WithRequest{Origin: "/dev/vg/vol", Mount: withDir}},
}

func withMachine(make func() *dmtest.Machine) *dmtest.Machine {
	m := make()
	for _, d := range m.Disks {
		d.Data = nil
	}
	m.Disks["/dev/a"].Carries = []string{"xfs"}
	m.MappedCarries = []string{"xfs"}
	return m
}

// live runs a snapshot's whole life.
func live(m *dmtest.Machine, r WithRequest) (died bool, err error) {
	return dmtest.Dies(func() error {
		c := NewOn(m)
		p, w, err := c.PlanWith(context.Background(), r)
		if err != nil {
			return err
		}
		if err := c.Run(context.Background(), p); err != nil {
			return err
		}
		return errors.Join(w.Lost(context.Background()), w.End())
	})
}

// state is what must be as before: the devices with their tables, nodes and
// intents.
func withState(m *dmtest.Machine) string { return m.String() }

// TestWithLeavesNothing: no matter which call fails, or is the last of the
// process, the machine is as before after the run, or after recover.
func TestWithLeavesNothing(t *testing.T) {
	for name, tt := range withCases {
		whole := withMachine(tt.machine)
		before := withState(whole)
		if died, err := live(whole, tt.request); died || err != nil {
			t.Fatalf("%s: %t, %v", name, died, err)
		}
		if after := withState(whole); after != before || len(whole.Loops) > 0 || len(whole.Intents) > 0 || len(whole.Broken) > 0 {
			t.Fatalf("%s: it became\n%s\n%v %v", name, after, whole.Intents, whole.Broken)
		}
		for _, how := range []dmtest.Failure{dmtest.Clean, dmtest.Dead, dmtest.After} {
			for call := 1; call <= whole.Calls; call++ {
				m := withMachine(tt.machine)
				m.Failures[call] = how
				died, err := live(m, tt.request)
				if m.Failed() == 0 || err == nil && !died {
					t.Errorf("%s, call %d %s: %v", name, call, how, err)
				}
				m.Failures = map[int]dmtest.Failure{}
				m.Bury()
				// A run that failed may say that recover has to do the rest.
				if died || errors.Is(err, ErrUnfinished) || errors.Is(err, ErrIncomplete) {
					if err := NewOn(m).Recover(context.Background()); err != nil {
						t.Errorf("%s, call %d %s: recover: %v", name, call, how, err)
					}
				}
				if after := withState(m); after != before || len(m.Loops) > 0 || len(m.Intents) > 0 {
					t.Errorf("%s, call %d %s (%v): left behind\n%s%v", name, call, how, err, after, m.Intents)
				}
			}
		}
	}
}

// TestWithLost: a snapshot that became invalid is reported, and removed.
func TestWithLost(t *testing.T) {
	m := withMachine(dmtest.New)
	c := NewOn(m)
	p, w, err := c.PlanWith(context.Background(), withCases["plain"].request)
	if err == nil {
		err = c.Run(context.Background(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Lost(context.Background()); err != nil {
		t.Errorf("at first: %v", err)
	}
	m.Find(strings.TrimPrefix(w.Path, "/dev/mapper/")).Status = "Invalid"
	if err := w.Lost(context.Background()); !errors.Is(err, ErrLost) {
		t.Errorf("then: %v", err)
	}
	if err := w.End(); err != nil || len(m.Devices) > 0 {
		t.Errorf("%v, %v", err, m)
	}
}

// TestWithStillUsed: what somebody still uses stays, with its origin, until
// recover finds it unused. A snapshot whose process lives is left alone.
func TestWithStillUsed(t *testing.T) {
	m := withMachine(onMappedDisk)
	c := NewOn(m)
	p, w, err := c.PlanWith(context.Background(), withCases["mapped"].request)
	if err == nil {
		err = c.Run(context.Background(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	up := m.String()
	if err := NewOn(m).Recover(context.Background()); err != nil || m.String() != up {
		t.Errorf("while the process lives, recover: %v, %s", err, m)
	}
	m.StaysMounted = true
	if err := w.End(); !errors.Is(err, ErrUnfinished) || !errors.Is(err, devices.ErrBusy) {
		t.Errorf("%v", err)
	}
	m.Bury()
	if err := NewOn(m).Recover(context.Background()); !errors.Is(err, devices.ErrBusy) || m.String() != up || len(m.Intents) != 1 {
		t.Errorf("while it is used, recover: %v, %s", err, m)
	}
	m.StaysMounted = false
	if err := NewOn(m).Recover(context.Background()); err != nil || len(m.Devices) != 1 || len(m.Intents) > 0 {
		t.Errorf("%v, %s", err, m)
	}
}

// A run that dies while it writes down what to clean up has made nothing.
func TestWithKilledWhileItsIntentIsWritten(t *testing.T) {
	for _, text := range []string{"", `{"Snap`, `{"snapshot":"dmsnap-with-1"`} {
		m := onMappedDisk()
		before := m.String()
		m.Intents["dmsnap-with-1"] = []byte(text)
		if err := NewOn(m).Recover(context.Background()); err != nil || len(m.Intents) > 0 || m.String() != before {
			t.Errorf("%q: %v, intents %v", text, err, m.Intents)
		}
	}
}

// TestIntentOfUnknownFormat: what an intent says that this version does not know
// may be about something that is there, so it stays.
func TestIntentOfUnknownFormat(t *testing.T) {
	for _, text := range []string{
		`{"snapshot":"dmsnap-with-1","mount":["/a","/b"]}`, `{"snapshot":"dmsnap-with-1","bind":"/a"}`,
		`{}`, `null`, `[]`, `{"snapshot":"vol"}`, "snapshot=dmsnap-with-1", "\x00\x00",
	} {
		m := onMappedDisk()
		before := m.String()
		m.Intents["dmsnap-with-1"] = []byte(text)
		err := NewOn(m).Recover(context.Background())
		if err == nil || !strings.Contains(err.Error(), "the intent of dmsnap-with-1 has an unknown format: ") || len(m.Intents) != 1 || m.String() != before {
			t.Errorf("%q: %v, intents %v", text, err, m.Intents)
		}
	}
}

// TestScratchBytes: whole chunks, between a store's least size and the most that
// can be used.
func TestScratchBytes(t *testing.T) {
	const chunk, origin = 16 << 10, 100 * 16 << 10
	const most = (100 + 2) * chunk // and the header and an area
	for r, want := range map[WithRequest]int64{
		{}: most, {Bytes: 1}: 3 * chunk, {Bytes: 5*chunk + 1}: 6 * chunk, {Bytes: 1 << 40}: most,
		{Percent: 10}: 10 * chunk, {Percent: 100}: 100 * chunk,
	} {
		if got, err := scratchBytes(origin, chunk/512, r); got != want || err != nil {
			t.Errorf("%+v: %d chunks, %v, want %d", r, got/chunk, err, want/chunk)
		}
	}
}

// TestWithFileOnTheOrigin: a file on the origin is refused, and deleted.
func TestWithFileOnTheOrigin(t *testing.T) {
	m := dmtest.New()
	m.ScratchOn = []blockdev.DevNo{m.Disks["/dev/a"].Number}
	c := NewOn(m)
	_, _, err := c.PlanWith(context.Background(), WithRequest{Origin: "/dev/a", StoreDir: "/var/tmp"})
	if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "/var/tmp") || len(m.Loops) > 0 {
		t.Errorf("%v, %d loop devices", err, len(m.Loops))
	}
}
