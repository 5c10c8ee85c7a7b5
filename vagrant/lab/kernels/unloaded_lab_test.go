//go:build linux && lab

// A machine that has device mapper but has not loaded its snapshot target.

package kernels

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
)

// The program gets its own root, with the modules of the kernel where a
// distribution puts them.
const checkUnloaded = `set -e
root=$TMPDIR/root
mkdir -p $root/dev $root/proc $root/lib/modules
mount --bind /dev $root/dev
mount --bind /proc $root/proc
cp $BIN/dmsnapctl $root/
check() { chroot $root /dmsnapctl check --json "$@" 2>/dev/null || true; }

check
check --load
mount --bind $MODULES $root/lib/modules
check
! grep -q dm_snapshot /proc/modules # it was read, not loaded
cp $BIN/modprobe $TMPDIR/
echo $TMPDIR/modprobe >/proc/sys/kernel/modprobe
check --load
check
`

func TestCheckOfATargetThatIsNotLoaded(t *testing.T) {
	kernel, err := lab.FindKernel()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	for _, program := range []string{"../../../cmd/dmsnapctl", "./testdata/modprobe"} {
		build := exec.Command("go", "build", "-o", bin, program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v\n%s", program, err, out)
		}
	}
	var out, complaints bytes.Buffer
	machine, err := lab.Machine{
		Kernel:  kernel,
		Modules: []string{"dm-mod", "dm-bufio"},
		Program: "/bin/sh",
		Args:    []string{"-c", checkUnloaded},
		Env:     []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "BIN=" + bin, "MODULES=" + filepath.Dir(kernel.ModuleDir)},
		Stdout:  &out, Stderr: &complaints,
		Timeout: 2 * time.Minute,
	}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(machine.Crash)
	if status, err := machine.Wait(); err != nil || status != 0 {
		t.Fatalf("status %d, %v\n%s%s", status, err, out.String(), complaints.String())
	}

	type answer struct {
		Verdict, Version, Source string
		Release                  string `json:"kernel_release"`
		Running                  bool
		Rule                     string
	}
	var got []answer
	for lines := json.NewDecoder(&out); lines.More(); {
		var a answer
		if err := lines.Decode(&a); err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	want := []struct {
		answer
		says string
	}{
		{answer{Verdict: "unknown", Source: "running"}, "--load"},
		{answer{Verdict: "unknown", Source: "running"}, "could not load it"},
		{answer{Verdict: "fixed", Version: "1.16.0", Source: "module"}, "not loaded"},
		{answer{Verdict: "fixed", Version: "1.16.0", Source: "running"}, "1.12.0 or newer"},
		{answer{Verdict: "fixed", Version: "1.16.0", Source: "running"}, "1.12.0 or newer"},
	}
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		if !strings.Contains(got[i].Rule, w.says) {
			t.Errorf("answer %d: the rule %q says not %q", i, got[i].Rule, w.says)
		}
		w.Release, w.Running, w.Rule = kernel.Release, true, got[i].Rule
		if diff := cmp.Diff(w.answer, got[i]); diff != "" {
			t.Errorf("answer %d (-want +got):\n%s", i, diff)
		}
	}
}
