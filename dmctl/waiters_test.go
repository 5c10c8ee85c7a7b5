package dmctl

// Several runs wait for one merge.

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// joined is a machine on which a merge of s is under way, which two runs have
// joined, and its expected final state.
func joined(t *testing.T, s scenario) (f *dmtest.Machine, a, b *Controller, first, second *Plan, after string) {
	t.Helper()
	_, after, _ = s.outcome(t)
	f = s.machine(t)
	a, b = NewOn(f), NewOn(f)
	plans := make([]*Plan, 2)
	for i, c := range []*Controller{a, b} {
		p, err := c.PlanMerge(t.Context(), MergeRequest{Name: "s"})
		if err == nil {
			err = c.Run(t.Context(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
		plans[i] = p
	}
	return f, a, b, plans[0], plans[1], after
}

func mergeScenarios() []scenario {
	var out []scenario
	for _, s := range scenarios() {
		switch s.name {
		case "merge into plain", "merge into plain with another", "merge into mapped", "merge into mapped with another":
			out = append(out, s)
		}
	}
	return out
}

func TestTwoWaiters(t *testing.T) {
	for _, s := range mergeScenarios() {
		f, a, b, first, second, after := joined(t, s)
		if err := a.FinishMerge(t.Context(), first, nil); err != nil {
			t.Errorf("%s: the first: %v", s.name, err)
		}
		if err := b.FinishMerge(t.Context(), second, nil); err != nil {
			t.Errorf("%s: the second: %v", s.name, err)
		}
		if diff := cmp.Diff(after, f.String()); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
		if _, err := b.PlanMerge(t.Context(), MergeRequest{Name: "s"}); !errors.Is(err, ErrNotFound) {
			t.Errorf("%s: a third, long after: %v", s.name, err)
		}
	}
}

// One run finishes the merge while the other one waits for its turn, to plan
// or to clean up.
func TestMergeFinishedByAnotherRun(t *testing.T) {
	for _, s := range mergeScenarios() {
		f, a, b, first, second, after := joined(t, s)
		f.Lock = func() bool {
			f.Lock = nil
			if err := a.FinishMerge(t.Context(), first, nil); err != nil {
				t.Errorf("%s: the first: %v", s.name, err)
			}
			return true
		}
		if err := b.FinishMerge(t.Context(), second, nil); err != nil {
			t.Errorf("%s: the second: %v", s.name, err)
		}
		if diff := cmp.Diff(after, f.String()); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}

		f, a, b, first, _, after = joined(t, s)
		f.Lock = func() bool {
			f.Lock = nil
			if err := a.FinishMerge(t.Context(), first, nil); err != nil {
				t.Errorf("%s: the first: %v", s.name, err)
			}
			return true
		}
		if err := b.Merge(t.Context(), MergeRequest{Name: "s"}, nil); err != nil {
			t.Errorf("%s: while planning: %v", s.name, err)
		}
		if diff := cmp.Diff(after, f.String()); diff != "" {
			t.Errorf("%s: %s", s.name, diff)
		}
	}
}

// A merge that was undone is not done.
func TestMergeUndoneByOthers(t *testing.T) {
	f := mergeScenarios()[0].machine(t)
	was := map[string]table.Table{}
	for _, d := range f.Devices {
		was[d.Name] = d.Live
	}
	c := NewOn(f)
	p, err := c.PlanMerge(t.Context(), MergeRequest{Name: "s"})
	if err == nil {
		err = c.Run(t.Context(), p)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Devices {
		d.Live = was[d.Name]
	}
	if err := c.FinishMerge(t.Context(), p, nil); !errors.Is(err, ErrRefused) {
		t.Errorf("error %v", err)
	}
}

// A run that waits for a merge waits for its turn without a limit.
func TestMergeWaitsForTheLock(t *testing.T) {
	f, a, _, first, _, after := joined(t, mergeScenarios()[0])
	tries := 0
	f.Lock = func() bool {
		tries++
		return tries > 3*plan.LockTries
	}
	if err := a.FinishMerge(t.Context(), first, nil); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(after, f.String()); diff != "" {
		t.Error(diff)
	}

	f, a, _, first, _, _ = joined(t, mergeScenarios()[0])
	ctx, cancel := context.WithCancel(t.Context())
	f.Lock = func() bool {
		cancel()
		return false
	}
	if err := a.FinishMerge(ctx, first, nil); !errors.Is(err, context.Canceled) || !errors.Is(err, ErrBusy) {
		t.Errorf("interrupted: %v", err)
	}
}

// A run in a long queue waits while others make progress, and no longer.
func TestLockIsWaitedForWhileOthersGetOn(t *testing.T) {
	for _, tt := range []struct {
		every int // tries after which another run makes progress
		busy  bool
	}{{plan.LockTries / 2, false}, {plan.LockTries + 1, true}} {
		f := dmtest.New()
		tries := 0
		f.Lock = func() bool {
			tries++
			if tries%tt.every == 0 {
				f.LastAdvance = f.LastAdvance.Add(time.Second)
			}
			return tries > 3*plan.LockTries
		}
		err := NewOn(f).Create(t.Context(), CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"})
		if errors.Is(err, ErrBusy) != tt.busy || err != nil != tt.busy {
			t.Errorf("others get on after %d of %d tries: %v", tt.every, plan.LockTries, err)
		}
	}
}

// everyPlan plans each kind of change.
func everyPlan() map[string]func(ctx context.Context, c *Controller) (*Plan, error) {
	return map[string]func(ctx context.Context, c *Controller) (*Plan, error){
		"create": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanCreate(ctx, CreateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"})
		},
		"activate": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanActivate(ctx, ActivateRequest{Name: "s", Origin: "/dev/a", COW: "/dev/b"})
		},
		"remove": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanRemove(ctx, RemoveRequest{Name: "s"})
		},
		"merge": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanMerge(ctx, MergeRequest{Name: "s"})
		},
		"grow": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanGrow(ctx, GrowRequest{Name: "s", By: 1 << 20})
		},
		"rename":  func(ctx context.Context, c *Controller) (*Plan, error) { return c.PlanRename(ctx, "s", "t") },
		"suspend": func(ctx context.Context, c *Controller) (*Plan, error) { return c.PlanSuspend(ctx, "s") },
		"resume":  func(ctx context.Context, c *Controller) (*Plan, error) { return c.PlanResume(ctx, "s") },
		"recover": func(ctx context.Context, c *Controller) (*Plan, error) { return c.PlanRecover(ctx) },
		"recover stores": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanRecoverStores(ctx, "/stores")
		},
		"with a snapshot": func(ctx context.Context, c *Controller) (*Plan, error) {
			p, _, err := c.PlanWith(ctx, WithRequest{Origin: "/dev/a", COW: "/dev/b"})
			return p, err
		},
		"record": func(ctx context.Context, c *Controller) (*Plan, error) {
			p, _, err := c.PlanRecord(ctx, RecordRequest{Device: "/dev/a", Log: "/dev/b"})
			return p, err
		},
		"clone": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanClone(ctx, CloneRequest{Names: []string{"s"}, Base: "/dev/a", Store: "/dev/b"})
		},
		"activate clone": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanActivateClone(ctx, ActivateCloneRequest{Name: "s", Base: "/dev/a", Store: "/dev/b"})
		},
		"reset": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanReset(ctx, ResetRequest{Names: []string{"s"}})
		},
		"remove clones": func(ctx context.Context, c *Controller) (*Plan, error) {
			return c.PlanRemoveClones(ctx, RemoveClonesRequest{Names: []string{"s"}})
		},
	}
}

// A plan for a change keeps others from planning one. A plan made without
// waiting could be wrong when it is run.
func TestEveryPlanWaitsForTheLock(t *testing.T) {
	for name, plan := range everyPlan() {
		f := dmtest.New()
		f.Lock = func() bool { return false }
		if p, err := plan(t.Context(), NewOn(f)); !errors.Is(err, ErrBusy) || p != nil {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

// Who waits for another run can be interrupted.
func TestEveryPlanWaitsNoLongerThanItsContext(t *testing.T) {
	for name, plan := range everyPlan() {
		f := dmtest.New()
		ctx, cancel := context.WithCancel(t.Context())
		tries := 0
		f.Lock = func() bool {
			if tries++; tries == 3 {
				cancel()
			}
			return false
		}
		if p, err := plan(ctx, NewOn(f)); !errors.Is(err, context.Canceled) || tries != 3 || p != nil {
			t.Errorf("%s: %d tries: %v, %v", name, tries, p, err)
		}
	}
}
