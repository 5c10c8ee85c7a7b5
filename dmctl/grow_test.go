package dmctl

// Stores that are files grow with their snapshots.

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// smallClone makes the clone s of an image of 1 MiB, with a store of 64 KiB.
func smallClone(c *Controller) error {
	r := clonesOf("s")
	r.StoreSize = 64 << 10
	return c.Clone(context.Background(), r)
}

func doGrow(by int64) func(*Controller) error {
	return func(c *Controller) error { return c.Grow(context.Background(), GrowRequest{Name: "s", By: by}) }
}

// A store grows by whole chunks, and never beyond every chunk of its origin: 256
// chunks of 4 KiB and their metadata.
func TestGrowFile(t *testing.T) {
	full := newMachine(t, withImage, doClone(clonesOf("s")))
	most := machineInMemory(full).Files["/stores/s.cow"].Bytes
	for by, want := range map[int64]int64{
		1: 68 << 10, 4096: 68 << 10, 4097: 72 << 10, 128 << 10: 192 << 10,
		math.MaxInt64: most,
	} {
		c := newMachine(t, withImage, smallClone)
		if err := doGrow(by)(c); err != nil {
			t.Errorf("by %d: %v", by, err)
		}
		m := machineInMemory(c)
		if got := m.Files["/stores/s.cow"].Bytes; got != want {
			t.Errorf("by %d: the file has %d bytes, want %d", by, got, want)
		}
		for _, l := range m.Loops {
			if m.FileOf(l.Number) == "/stores/s.cow" && l.Size != want {
				t.Errorf("by %d: the loop device has %d bytes, want %d", by, l.Size, want)
			}
		}
		if broken := m.Broken; len(broken) > 0 {
			t.Errorf("by %d: %v", by, broken)
		}
	}
}

// If a file cannot grow, everything stays as it was.
func TestGrowFileFails(t *testing.T) {
	c := newMachine(t, withImage, smallClone)
	m := machineInMemory(c)
	before := m.String()
	m.Failures = map[int]dmtest.Failure{m.Calls + 1: dmtest.Clean}
	if err := doGrow(4096)(c); err == nil {
		t.Error("a file that could not grow is called grown")
	}
	if after := m.String(); after != before {
		t.Errorf("%s, before %s", after, before)
	}
}

// A run that waits for another run stops when it is told to.
func TestGrowStopsWaiting(t *testing.T) {
	c := newMachine(t, withImage, smallClone)
	ctx, cancel := context.WithCancel(context.Background())
	tries := 0
	machineInMemory(c).Lock = func() bool {
		if tries++; tries == 2 {
			cancel()
		}
		return false
	}
	if _, err := c.PlanGrow(ctx, GrowRequest{Name: "s", By: 4096}); !errors.Is(err, context.Canceled) || tries != 2 {
		t.Errorf("after %d tries: %v", tries, err)
	}
}
