// The command check on a real kernel: it reports the same about the running
// kernel as dmsetup.

//go:build linux && kernel

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
)

func TestCheckAgreesWithDmsetup(t *testing.T) {
	targets, err := exec.Command("dmsetup", "targets").Output()
	if err != nil {
		t.Fatalf("dmsetup targets: %v (install the package dmsetup)", err)
	}
	release, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	running, runningCode := checkJSON(t, "", "--json")
	listed, listedCode := checkJSON(t, string(targets), "--json", "--targets", "-")
	if runningCode != listedCode || runningCode == exitUnknown {
		t.Errorf("exit code %d of the running kernel, %d of what dmsetup lists", runningCode, listedCode)
	}
	want := checkedKernel{
		Verdict: listed.Verdict, Version: listed.Version, Source: string(check.FromRunning),
		Release: strings.TrimSpace(string(release)), Rule: listed.Rule,
	}
	if diff := cmp.Diff(want, running); diff != "" {
		t.Errorf("check and dmsetup differ (-dmsetup +check):\n%s", diff)
	}
	t.Logf("%s: %v", running.Version, running.Verdict)
}

// Without udev only the program itself can make the node again.
func TestCheckMakesTheControlNode(t *testing.T) {
	const node = "/dev/mapper/control"
	if err := os.Remove(node); err != nil {
		t.Fatal(err)
	}
	running, code := checkJSON(t, "", "--json")
	if code == exitUnknown || running.Source != string(check.FromRunning) {
		t.Errorf("exit code %d: %+v, want a verdict on the running kernel", code, running)
	}
	if info, err := os.Stat(node); err != nil || info.Mode() != os.ModeDevice|os.ModeCharDevice|0o600 {
		t.Errorf("%s: %v, %v", node, info, err)
	}
}

type checkedKernel struct {
	Verdict gate.Verdict `json:"verdict"`
	Version gate.Version `json:"version"`
	Source  string       `json:"source"`
	Release string       `json:"kernel_release"`
	Rule    string       `json:"rule"`
}

func checkJSON(t *testing.T, stdin string, flags ...string) (k checkedKernel, code int) {
	t.Helper()
	var out, complaints bytes.Buffer
	args := append([]string{"dmsnapctl", "check"}, flags...)
	code = run(context.Background(), args, streams{in: strings.NewReader(stdin), out: &out, err: &complaints})
	if err := json.Unmarshal(out.Bytes(), &k); err != nil {
		t.Fatalf("%v: exit code %d, %v: %s%s", args, code, err, out.Bytes(), complaints.Bytes())
	}
	return k, code
}
