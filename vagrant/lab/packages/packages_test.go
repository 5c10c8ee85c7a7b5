//go:build linux

package packages

import (
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	if got := Missing("dmsnapctl-no-such-package"); len(got) != 1 {
		t.Errorf("missing %v", got)
	}
}

func TestNothingToInstallNeedsNothing(t *testing.T) {
	t.Setenv("PATH", "")
	if err := Install(t.Output()); err != nil {
		t.Error(err)
	}
}

func TestInstallWithoutPackageManager(t *testing.T) {
	t.Setenv("PATH", "")
	err := Install(t.Output(), "one", "two")
	if err == nil || !strings.Contains(err.Error(), "one two: this machine has no apt-get") || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q", err)
	}
}
