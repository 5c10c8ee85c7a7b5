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
	// With the drop-in for stores that grow.
	dir := t.TempDir()
	must(t, "cp", "systemd/"+units[0], dir)
	must(t, "install", "-D", "-t", dir+"/"+units[0]+".d", "systemd/monitor-grow.conf")
	must(t, "systemd-analyze", "security", "--offline=true", "--threshold=29", dir+"/"+units[0])
}

// generated returns the units that the program in root writes for two lines of
// dmsnaptab(5): one with devices, and one with files.
func generated(t *testing.T, root string) []string {
	t.Helper()
	dir := t.TempDir()
	write(t, dir+"/tab", "snap /dev/vg/data /dev/vg/data-cow\nvm /srv/base.img /srv/vm.cow clone\n")
	program := root + "/usr/sbin/dmsnapctl"
	must(t, program, "systemd-generator", "--tab", dir+"/tab", "--cmdline", "/dev/null", "--program", program, dir)
	units, err := filepath.Glob(dir + "/dmsnapctl-activate@*.service")
	if err != nil || len(units) != 2 {
		t.Fatalf("units %v, want two: %v", units, err)
	}
	return units
}

// The units made from dmsnaptab(5) are hardened as well, and systemd finds nothing
// wrong with them.
func TestGeneratedUnits(t *testing.T) {
	need(t, "systemd")
	for _, unit := range generated(t, unpacked(t)) {
		must(t, "systemd-analyze", "security", "--offline=true", "--threshold=29", unit)
		out, err := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", unit).CombinedOutput()
		if err != nil || strings.Contains(string(out), "dmsnapctl-activate") {
			t.Errorf("%s: %v\n%s", unit, err, out)
		}
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
