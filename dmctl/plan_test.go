package dmctl

// Plans as --dry-run prints them, and requests that are refused.

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// textOf is a plan as the golden files have it.
func textOf(p *Plan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", p.Title)
	for i, says := range p.Steps() {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, says)
	}
	for _, n := range p.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	return b.String()
}

var update = flag.Bool("update", false, "write the golden files anew")

// The order of operations, for a reader: one file per plan.
func TestPlansPrinted(t *testing.T) {
	ctx := context.Background()
	plans := map[string]func(c *Controller) (*Plan, error){
		"create on plain":         func(c *Controller) (*Plan, error) { return c.PlanCreate(ctx, onPlain) },
		"create second on plain":  func(c *Controller) (*Plan, error) { return c.PlanCreate(ctx, onPlain2) },
		"create on mapped":        func(c *Controller) (*Plan, error) { return c.PlanCreate(ctx, onMapped) },
		"create second on mapped": func(c *Controller) (*Plan, error) { return c.PlanCreate(ctx, onMapped2) },
		"remove from plain":       func(c *Controller) (*Plan, error) { return c.PlanRemove(ctx, RemoveRequest{Name: "s"}) },
		"remove from mapped":      func(c *Controller) (*Plan, error) { return c.PlanRemove(ctx, RemoveRequest{Name: "s"}) },
		"activate on plain": func(c *Controller) (*Plan, error) {
			return c.PlanActivate(ctx, ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b", Overflow: true})
		},
		"rename":                     renameToU,
		"grow":                       growS,
		"merge into mapped":          func(c *Controller) (*Plan, error) { return c.PlanMerge(ctx, MergeRequest{Name: "s"}) },
		"merge into plain once more": func(c *Controller) (*Plan, error) { return c.PlanMerge(ctx, MergeRequest{Name: "s"}) },
	}
	done := 0
	for _, s := range scenarios() {
		plan, ok := plans[s.name]
		if !ok {
			continue
		}
		done++
		p, err := plan(NewOn(s.machine(t)))
		if err != nil {
			t.Errorf("%s: %v", s.name, err)
			continue
		}
		golden := filepath.Join("testdata", "plans", strings.ReplaceAll(s.name, " ", "-")+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(textOf(p)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(textOf(p), "\n")); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
	if done != len(plans) {
		t.Errorf("%d of %d plans were made", done, len(plans))
	}
}

func TestReservedNames(t *testing.T) {
	for _, name := range []string{"s-dmsnap-new", "s-dmsnap-real"} {
		r := onPlain
		r.Name = name
		if err := NewOn(dmtest.New()).Create(context.Background(), r); !errors.Is(err, ErrUsage) {
			t.Errorf("create %s: %v", name, err)
		}
	}
}

// Mistakes in the request itself are reported before any device is opened.
func TestMalformedRequests(t *testing.T) {
	ok := CreateRequest{Name: strings.Repeat("n", 127)}
	if err := ok.Check(); err != nil {
		t.Error(err)
	}
	for word, r := range map[string]CreateRequest{
		"slash":                   {Name: "a/b"},
		"empty":                   {Name: ""},
		"directory":               {Name: ".."},
		"control node":            {Name: "control"},
		"longer than 127":         {Name: strings.Repeat("n", 128)},
		"6 sectors: not a power":  {Name: "s", ChunkBytes: 6 << 9},
		"65 sectors: not a power": {Name: "s", ChunkBytes: 65 << 9},
		"4194304 sectors: over":   {Name: "s", ChunkBytes: 1 << 31},
		"discard_passdown_origin needs discard_zeroes_cow": {Name: "s", DiscardPassdownOrigin: true},
	} {
		if err := r.Check(); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), word) {
			t.Errorf("%v, want ErrUsage with %q", err, word)
		}
	}
}

// The longest names that the kernel knows, with and without escapes.
func TestLongNames(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{strings.Repeat("n", 120), strings.Repeat("n", 93) + strings.Repeat(" ", 6)} {
		r := onPlain
		r.Name = name
		if err := NewOn(dmtest.New()).Create(ctx, r); err != nil {
			t.Errorf("on a plain device, %d bytes: %v", len(name), err)
		}
		r.Name += "nnnnnnn"
		if err := NewOn(dmtest.New()).Create(ctx, r); !errors.Is(err, ErrUsage) || !strings.Contains(err.Error(), "at most 120") {
			t.Errorf("on a plain device, %d bytes: %v", len(r.Name), err)
		}
		f := dmtest.New()
		if err := haveMapped(NewOn(f)); err != nil {
			t.Fatal(err)
		}
		r.Origin = "/dev/mapper/vol"
		if err := NewOn(f).Create(ctx, r); err != nil {
			t.Errorf("on a mapped device, %d bytes: %v", len(r.Name), err)
		}
	}
}

func TestJudgeStore(t *testing.T) {
	tests := []struct {
		verdict    verdict
		unreadable uint64
		stale      uint64
		want       error // without force
		forced     error
	}{
		{verify.Clean, 0, 0, nil, nil},
		{verify.Stale, 0, 2, ErrStale, nil},
		{verify.Leaked, 0, 2, ErrForce, nil},
		{verify.Leaked, 0, 0, nil, nil},
		{verify.Clean, 1, 0, ErrUnread, nil},
		{verify.Corrupt, 1, 0, ErrUnread, nil},
		{verify.Invalid, 0, 0, ErrDamaged, nil},
		{verify.Corrupt, 0, 0, ErrDamaged, nil},
		{verify.Empty, 0, 0, ErrRefused, ErrRefused},
		{verify.Unrecognized, 0, 0, ErrRefused, ErrRefused},
	}
	for _, tt := range tests {
		r := &verify.Report{Verdict: tt.verdict, Counts: map[verify.Code]uint64{verify.UnreadableArea: tt.unreadable, verify.StaleRecord: tt.stale}}
		if _, err := judgeStore(r, ActivateRequest{}); !errors.Is(err, tt.want) || errors.Is(err, ErrForce) != (tt.want != nil && tt.forced == nil) {
			t.Errorf("%s: %v, want %v", tt.verdict, err, tt.want)
		}
		notes, err := judgeStore(r, ActivateRequest{Force: true})
		if !errors.Is(err, tt.forced) {
			t.Errorf("%s by force: %v, want %v", tt.verdict, err, tt.forced)
		}
		if tt.want != nil && tt.forced == nil && len(notes) == 0 {
			t.Errorf("%s by force: no note says so", tt.verdict)
		}
	}
}

func TestJudgeLeakedStore(t *testing.T) {
	r := &verify.Report{Verdict: verify.Leaked, Leaks: verify.Leaks{Chunks: 1, Bytes: 4096}}
	notes, err := judgeStore(r, ActivateRequest{})
	if want := "1 chunk of the store leaked, 4096 bytes: the kernel will not use them again"; err != nil || len(notes) != 1 || notes[0] != want {
		t.Errorf("%q, %v, want %q", notes, err, want)
	}
}

type verdict = verify.Verdict

// If a context ends between steps, the completed steps are undone.
func TestInterrupted(t *testing.T) {
	f := dmtest.New()
	c := NewOn(f)
	before := f.String()
	ctx, cancel := context.WithCancel(context.Background())
	p, err := c.PlanCreate(ctx, onPlain)
	if err != nil {
		t.Fatal(err)
	}
	c.e.BeforeStep = func(_ *Plan, n int) {
		if n == 4 {
			cancel()
		}
	}
	err = c.Run(ctx, p)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "undone, but chunks 0 and 1 of /dev/b are zeroed") {
		t.Errorf("error %v", err)
	}
	if diff := cmp.Diff(before, f.String()); diff != "" {
		t.Error(diff)
	}
}

// A COW device whose place is unknown needs force.
func TestLostBelow(t *testing.T) {
	f := dmtest.New()
	f.Disks[onPlain.COW].Lost = true
	if _, err := NewOn(f).PlanCreate(t.Context(), onPlain); !errors.Is(err, ErrForce) {
		t.Errorf("without force: %v", err)
	}
	r := onPlain
	r.Force = true
	if _, err := NewOn(f).PlanCreate(t.Context(), r); err != nil {
		t.Errorf("with force: %v", err)
	}
}

// A COW device with contents is refused. With force, the overwritten contents
// are reported, before and after a failure.
func TestCarried(t *testing.T) {
	ctx := context.Background()
	f := dmtest.New()
	f.Disks["/dev/b"].Carries = []string{"ext4"}
	if _, err := NewOn(f).PlanCreate(ctx, onPlain); !errors.Is(err, ErrForce) || !strings.Contains(err.Error(), "contains ext4") {
		t.Errorf("without force: %v", err)
	}
	r := onPlain
	r.Force = true
	for n, want := range map[int]string{
		1: "undone, but perhaps chunks 0 and 1 of /dev/b are zeroed, where it carried ext4",
		5: "undone, but chunks 0 and 1 of /dev/b are zeroed, where it carried ext4",
	} {
		f.Calls, f.Zeroed, f.Failures = 0, nil, map[int]dmtest.Failure{n: dmtest.Clean}
		c := NewOn(f)
		p, err := c.PlanCreate(ctx, r)
		if err != nil || !strings.Contains(textOf(p), "contains ext4, which is overwritten") {
			t.Fatalf("with force: %v, %v", p, err)
		}
		if err := c.Run(ctx, p); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("call %d failed: %v, want %q", n, err, want)
		}
		if n > 1 {
			if diff := cmp.Diff([]blockdev.DevNo{{Major: 8, Minor: 1}, {Major: 8, Minor: 1}}, f.Zeroed); diff != "" {
				t.Errorf("the header that the kernel wrote stays: %s", diff)
			}
		}
	}
}

// After a killed run, its COW device is not blank: recover says so.
func TestRecoverTellsOfTheStore(t *testing.T) {
	f := dmtest.New()
	f.Failures[6] = dmtest.Dead
	if _, died := (scenario{do: doCreate(onPlain)}).run(f); !died {
		t.Fatal("it lived")
	}
	f.Failures = nil
	p, err := NewOn(f).PlanRecover(context.Background())
	if err != nil || !strings.Contains(textOf(p), "note: 8:1 may hold the store of a snapshot that was never finished") {
		t.Errorf("%v, %v", p, err)
	}
}
