package dmctl

import (
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// looking is a machine on which udev closes a device after some moments.
type looking struct {
	*dmtest.Machine
	moments int
}

func (m *looking) Sleep(time.Duration) {
	if m.moments--; m.moments == 0 {
		m.Find("s").Open = 0
	}
}

// A merge waits for a program that looks at the snapshot for a moment.
func TestMergeWaitsForABriefLook(t *testing.T) {
	m := &looking{dmtest.New(), 3}
	c := NewOn(m)
	if err := doCreate(onPlain)(c); err != nil {
		t.Fatal(err)
	}
	m.Find("s").Open = 1
	if err := doMerge("s")(c); err != nil {
		t.Error(err)
	}
}
