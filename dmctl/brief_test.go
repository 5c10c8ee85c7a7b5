package dmctl

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/plan"
)

// looking is a machine on which another program, such as udev, has a device
// open, and closes it after a few moments or never.
type looking struct {
	*dmtest.Machine
	at      string
	moments int // 0: never
	waited  time.Duration
}

func (m *looking) Sleep(d time.Duration) {
	m.waited += d
	if m.moments--; m.moments == 0 {
		m.Find(m.at).Open = 0
	}
}

// A brief look at a device is waited for. A program that keeps it open makes
// it busy, after a bounded time.
func TestBriefLook(t *testing.T) {
	const longest = (plan.RemoveTries - 1) * plan.RemovePause
	steps := func(s ...func(*Controller) error) []func(*Controller) error { return s }
	for _, tt := range []struct {
		name  string
		setup []func(*Controller) error
		at    string
		do    func(*Controller) error
		stays error // if it is not closed
	}{
		{"merge, the snapshot", steps(doCreate(onPlain)), "s", doMerge("s"), ErrBusy},
		{"merge once more, the origin", steps(doCreate(onPlain), failedMerge), "s-origin", doMerge("s"), ErrBusy},
		{"remove, the snapshot", steps(doCreate(onPlain)), "s", doRemove("s"), ErrBusy},
		{"remove, the origin", steps(doCreate(onPlain)), "s-origin", doRemove("s"), nil},
	} {
		for _, moments := range []int{3, 0} {
			m := &looking{Machine: scenario{name: tt.name, setup: tt.setup}.machine(t), at: tt.at, moments: moments}
			m.Find(tt.at).Open = 1
			err := tt.do(NewOn(m))
			switch {
			case moments > 0 && (err != nil || len(m.Devices) > 0):
				t.Errorf("%s, a brief look: %v; left:\n%s", tt.name, err, m)
			case moments == 0 && !errors.Is(err, tt.stays):
				t.Errorf("%s, open for good: %v", tt.name, err)
			case moments == 0 && err != nil && !strings.Contains(err.Error(), "open by a program"):
				t.Errorf("%s, open for good: %v", tt.name, err)
			case moments == 0 && strings.HasPrefix(tt.name, "merge") && m.Calls > 0:
				t.Errorf("%s, open for good: refused after %d calls", tt.name, m.Calls)
			case moments == 0 && m.waited != longest:
				t.Errorf("%s, open for good: waited %v, want %v", tt.name, m.waited, longest)
			}
		}
	}
}
