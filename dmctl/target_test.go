package dmctl

import (
	"errors"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// loading is a machine that counts the modules that it loads.
type loading struct {
	*dmtest.Machine
	loaded int
}

func (l *loading) LoadTarget(string) (gate.Version, error) {
	l.loaded++
	return gate.Version{Major: 1}, nil
}

// A kernel module is loaded only on request: a question changes nothing.
func TestTargetsAreLoadedOnRequest(t *testing.T) {
	l := &loading{Machine: dmtest.New()}
	c := NewOn(l)
	if _, err := c.TargetVersion("nonesuch", false); !errors.Is(err, ErrNoTarget) || l.loaded != 0 {
		t.Errorf("%v, and %d modules were loaded", err, l.loaded)
	}
	if v, err := c.TargetVersion("nonesuch", true); err != nil || v.Major != 1 || l.loaded != 1 {
		t.Errorf("on request: %v, %v, and %d modules were loaded", v, err, l.loaded)
	}
}
