//go:build packages && linux

package packaging

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var units = []string{"dmsnapctl-monitor.service", "dmsnapctl-recover.service", "dmsnapctl-check.service", "dmsnapctl-check.timer"}

// Units are hardened: their exposure is below 3 of 10.
func TestUnitsAreHardened(t *testing.T) {
	need(t, "systemd")
	for _, unit := range units[:3] {
		must(t, "systemd-analyze", "security", "--offline=true", "--threshold=29", "systemd/"+unit)
	}
}

// systemd finds nothing wrong with the units of the package if their programs
// exist.
func TestUnitsVerify(t *testing.T) {
	need(t, "systemd")
	root := unpacked(t)
	for _, unit := range units {
		path := filepath.Join(root, "usr/lib/systemd/system", unit)
		must(t, "sed", "-i", "s|=/usr/sbin/|="+root+"/usr/sbin/|", path)
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", path).CombinedOutput()
		if err != nil || strings.Contains(string(out), "dmsnap") {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
	}
}
