//go:build linux && kernel

package table

// The real dmsetup accepts what this package writes, and this package reads
// what dmsetup prints.

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func dmsetup(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("dmsetup", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("dmsetup %v <<< %q: %v: %s", args, stdin, err, out)
	}
	return string(out)
}

func disks(t *testing.T) []string {
	t.Helper()
	d := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(d) < 4 {
		t.Fatal("DMSNAPCTL_TEST_DISKS names fewer than 4 disks")
	}
	t.Cleanup(func() { dmsetup(t, "", "remove_all") })
	return d
}

func TestDmsetupTakesTables(t *testing.T) {
	d := disks(t)
	a, b, c := d[0], d[1], d[2]
	for _, spec := range []Spec{
		Linear{a, 8}, Striped{16, []Stripe{{a, 0}, {b, 0}}}, Zero{}, Error{},
		Delay{[]DelayLeg{{a, 0, 1}}}, Delay{[]DelayLeg{{a, 0, 0}, {a, 0, 1}, {a, 0, 0}}},
		Flakey{Device: a, Up: 5, Down: 1}, Flakey{a, 0, 5, 1, []string{"drop_writes"}},
		Dust{a, 0, 512}, LogWrites{a, d[3]}, SnapshotOrigin{a},
		Snapshot{a, b, Persistent, 8, nil},
		Snapshot{a, c, PersistentOverflow, 16, []string{DiscardZeroesCOW, DiscardPassdownOrigin}},
		Snapshot{a, d[3], Transient, 8, nil},
	} {
		t.Run(spec.Type(), func(t *testing.T) {
			wantTarget(t, spec.Type())
			loadTwice(t, spec)
		})
	}
}

// wantTarget skips a test of a target whose module the kernel lacks.
func wantTarget(t *testing.T, name string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("DMSNAPCTL_TEST_MISSING"), ","), "dm-"+name) {
		t.Skipf("not applicable: this kernel has no dm-%s", name)
	}
}

// loadTwice loads a table of one target, and then what the kernel says that it
// has loaded.
func loadTwice(t *testing.T, spec Spec) {
	t.Helper()
	dmsetup(t, Single(4096, spec).String(), "create", "t")
	got, err := Parse(dmsetup(t, "", "table", "t"))
	if err != nil {
		t.Errorf("%s: %v", spec.Type(), err)
	}
	if len(got) != 1 || got[0].Spec.Type() != spec.Type() {
		t.Errorf("%s %s is loaded as %v", spec.Type(), spec.Params(), got)
	}
	// The kernel prints devices by number; loaded again they are the same.
	dmsetup(t, got.String(), "load", "t")
	dmsetup(t, "", "resume", "t")
	again, err := Parse(dmsetup(t, "", "table", "t"))
	if diff := cmp.Diff(got, again); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	dmsetup(t, "", "remove", "t")
}

// The rules are the kernel's own, no more and no less.
func TestDmsetupRules(t *testing.T) {
	d := disks(t)
	dmsetup(t, "", "create", "t", "--notable")
	onDisks := func(target Target) string {
		return strings.NewReplacer("8:1", d[0], "8:2", d[1], "8:3", d[2]).Replace(target.String())
	}
	load := func(target Target) (string, error) {
		cmd := exec.Command("dmsetup", "load", "t")
		cmd.Stdin = strings.NewReader(onDisks(target))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, tt := range refused {
		t.Run("refused "+tt.target.Spec.Type(), func(t *testing.T) {
			wantTarget(t, tt.target.Spec.Type())
			if _, err := load(tt.target); err == nil {
				t.Errorf("dmsetup takes %s", tt.target)
			}
		})
	}
	for _, target := range accepted {
		t.Run("accepted "+target.Spec.Type(), func(t *testing.T) {
			wantTarget(t, target.Spec.Type())
			if out, err := load(target); err != nil {
				t.Errorf("%s: %v: %s", target, err, out)
			}
		})
	}
}

func TestDmsetupTakesConcise(t *testing.T) {
	d := disks(t)
	want := []Device{
		{Name: "a,b", Table: Table{{0, 8, Linear{d[0], 0}}, {8, 8, Zero{}}}},
		{Name: `c\d`, UUID: "u;1", Minor: "77", ReadOnly: true, Table: Single(8, Error{})},
	}
	dmsetup(t, "", "create", "--concise", FormatConcise(want))
	got, err := ParseConcise(dmsetup(t, "", "table", "--concise"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 {
		t.Fatalf("dmsetup lists %v", got)
	}
	for i := range got {
		if want[i].Minor == "" {
			got[i].Minor = ""
		}
	}
	want[0].Table[0].Spec = got[0].Table[0].Spec // by number
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
