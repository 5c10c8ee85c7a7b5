//go:build !kernel

package main

// The examples in docs/examples/crash that explore a log in parts.

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// standInParallel does what the example asks of GNU parallel, where that is not
// installed.
const standInParallel = `command=$1; shift 2
for i; do sh -c "$(printf %s "$command" | sed "s/{}/$i/g")"; done`

// TestExamplesInParts: the parts of each example add up to the report of the whole.
func TestExamplesInParts(t *testing.T) {
	examples, err := filepath.Abs("../../docs/examples/crash")
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := os.ReadFile(filepath.Join(examples, "job.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(manifest), "- |\n")
	ofJob, _, _ := strings.Cut(block, "          volumeMounts:")
	const explore = "--log workload.log --base base.img --origin 0+16384 --cow 16384+32768 --from-mark frozen"
	for name, run := range map[string]string{
		"parallel": `sh "$EXAMPLES/parallel.sh" 8 ` + explore,
		"slurm":    `for i in 1 2 3 4 5 6 7 8; do SLURM_ARRAY_TASK_ID=$i SLURM_ARRAY_TASK_COUNT=8 sh "$EXAMPLES/slurm.sh" ` + explore + ` || test $? -le 2; done`,
		"job":      `for i in 0 1 2 3 4 5 6 7; do JOB_COMPLETION_INDEX=$i sh -c "$SCRIPT"; done`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, "../../testdata/crash/leaky.log.gz", filepath.Join(dir, "workload.log"))
			unpack(t, "../../testdata/crash/base.img.gz", filepath.Join(dir, "base.img"))
			path := filepath.Dir(programPath(t)) + ":" + os.Getenv("PATH")
			if _, err := exec.LookPath("parallel"); err != nil {
				place(t, filepath.Join(dir, "bin", "parallel"), []byte("#!/bin/sh\n"+standInParallel), 0o755)
				path = filepath.Join(dir, "bin") + ":" + path
			}
			sh := func(want int, script string) []byte {
				t.Helper()
				cmd := exec.Command("sh", "-c", script)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+path, "EXAMPLES="+examples, "SCRIPT="+ofJob, "HOME="+dir)
				out, err := cmd.Output()
				if got := cmd.ProcessState.ExitCode(); got != want {
					t.Fatalf("exit code %d, %v\n%s", got, err, out)
				}
				return out
			}
			ended := exitFine
			if name == "parallel" {
				ended = exitWarning // that of combine: chunks leak
			}
			sh(ended, run)
			parts := reportOf(t, sh(exitWarning, "dmsnapctl crash combine part-*.json --json"))
			whole := reportOf(t, sh(exitWarning, "dmsnapctl crash explore "+explore+" --json"))
			if diff := cmp.Diff(whole, parts); diff != "" {
				t.Errorf("the parts are not the whole (-whole +parts):\n%s", diff)
			}
		})
	}
}

// reportOf reads a report, without what differs from run to run.
func reportOf(t *testing.T, out []byte) map[string]any {
	t.Helper()
	var r map[string]any
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"seconds", "schema", "advice"} {
		delete(r, field)
	}
	return r
}
