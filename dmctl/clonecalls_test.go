package dmctl

// What clones cost as their number grows: calls of the machine, not time.

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// callsOf returns the calls that do makes, by name.
func callsOf(t *testing.T, c *Controller, do func(*Controller) error) map[string]int {
	t.Helper()
	m := machineInMemory(c)
	m.Looks, m.Calls = map[string]int{}, 0
	if err := do(c); err != nil {
		t.Fatal(err)
	}
	calls := map[string]int{"changes": m.Calls}
	for name, n := range m.Looks {
		calls[name] = n
	}
	return calls
}

func numbered(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("c%d", i))
	}
	return names
}

// oneLife is everything that is done to a clone in its life, each by a call of its
// own.
var oneLife = []struct {
	name string
	do   func(*Controller) error
}{
	{"clone", doClone(clonesOf("s"))},
	{"reset", doReset("s")},
	{"remove", doRemoveClones(false, "s")},
	{"activate", doActivateClone(ActivateCloneRequest{Name: "s", Base: "/img", Store: "/stores/s.cow"})},
	{"remove and delete", doRemoveClones(true, "s")},
}

// The thousandth clone costs no call more than the tenth, whatever is done to it.
func TestThousandthCloneCostsAsTheTenth(t *testing.T) {
	var tenth, thousandth []map[string]int
	for _, tt := range []struct {
		others int
		calls  *[]map[string]int
	}{{9, &tenth}, {999, &thousandth}} {
		c := newMachine(t, withImage, doClone(clonesOf(numbered(tt.others)...)))
		for _, o := range oneLife {
			*tt.calls = append(*tt.calls, callsOf(t, c, o.do))
			storeIsEmpty(c, "/stores/s.cow")
		}
	}
	for i, o := range oneLife {
		if diff := cmp.Diff(tenth[i], thousandth[i]); diff != "" {
			t.Errorf("%s: calls for the tenth and the thousandth clone: %s", o.name, diff)
		}
	}
}

// storeIsEmpty writes what the kernel writes to a new store, which the machine
// in memory does not.
func storeIsEmpty(c *Controller, path string) {
	if f := machineInMemory(c).Files[path]; f != nil {
		f.Data = dmtest.EmptyStore(8)
	}
}

// A batch has a part that does not grow, and each of its clones costs the same:
// the calls of a batch lie on a line.
func TestCallsOfABatchAreLinear(t *testing.T) {
	const few, some, many = 10, 20, 200
	all := func(do func(names ...string) func(*Controller) error) func(n int) func(*Controller) error {
		return func(n int) func(*Controller) error { return do(numbered(n)...) }
	}
	clone := all(func(names ...string) func(*Controller) error { return doClone(clonesOf(names...)) })
	for _, tt := range []struct {
		name  string
		setup func(n int) func(*Controller) error
		do    func(n int) func(*Controller) error
		// once are the calls whose number is the same for every batch.
		once []string
	}{
		{"clone", nil, clone, []string{"NodesFree", "Written", "Targets"}},
		{"reset", clone, all(doReset), []string{"UsersOf"}},
		{"remove", clone, all(func(names ...string) func(*Controller) error { return doRemoveClones(true, names...) }), []string{"UsersOf"}},
		{"recover", forgotten(clone), func(int) func(*Controller) error {
			return func(c *Controller) error { return c.Recover(context.Background()) }
		}, []string{"List", "Nodes"}},
	} {
		calls := map[int]map[string]int{}
		for _, n := range []int{few, some, many} {
			c := newMachine(t, withImage)
			if tt.setup != nil {
				if err := tt.setup(n)(c); err != nil {
					t.Fatal(err)
				}
			}
			calls[n] = callsOf(t, c, tt.do(n))
		}
		for name, at := range calls[many] {
			each := (calls[some][name] - calls[few][name]) / (some - few)
			if want := calls[few][name] + each*(many-few); at != want {
				t.Errorf("%s: %d calls of %s for %d clones, want %d: %d for %d, %d for %d", tt.name,
					at, name, many, want, calls[few][name], few, calls[some][name], some)
			}
		}
		// It reads all mounts each time.
		if n := calls[many]["Users"]; n > 0 {
			t.Errorf("%s: Users is called %d times for %d clones, want UsersOf once", tt.name, n, many)
		}
		for _, name := range tt.once {
			if calls[few][name] == 0 || calls[few][name] != calls[many][name] {
				t.Errorf("%s: %s is called %d times for %d clones and %d times for %d", tt.name, name, calls[few][name], few, calls[many][name], many)
			}
		}
	}
}

// forgotten makes clones, and is killed when it has only noted which of their
// files it is about to delete.
func forgotten(clone func(int) func(*Controller) error) func(int) func(*Controller) error {
	return func(n int) func(*Controller) error {
		return func(c *Controller) error {
			if err := clone(n)(c); err != nil {
				return err
			}
			m := machineInMemory(c)
			m.Failures[m.Calls+2] = dmtest.Dead
			died, err := dmtest.Dies(func() error { return doRemoveClones(true, numbered(n)...)(c) })
			if !died {
				return fmt.Errorf("not killed: %w", err)
			}
			m.Failures = nil
			m.Bury()
			c.e.Unlock()
			return nil
		}
	}
}
