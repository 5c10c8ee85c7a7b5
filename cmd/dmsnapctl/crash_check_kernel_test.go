// crash explore --check, by FUSE, on a log that a real kernel wrote.

//go:build linux && kernel

package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestExploreChecks: the snapshot's one image is good. The origin's are not
// where it was overwritten, and the printed command writes what the checker
// saw to a file.
func TestExploreChecks(t *testing.T) {
	fixtures, err := filepath.Abs(filepath.Join("..", "..", "testdata", "crash"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, name := range []string{"stock.log", "base.img"} {
		if err := os.WriteFile(name, cowtest.Unpack(t, filepath.Join(fixtures, name+".gz")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, complaints, code := crashRun(context.Background(), "state", "--log", "stock.log", "--base", "base.img", "--origin", "0+16384", "--cow", "16384+32768", "--state", "2", "--view", "origin", "--out", "frozen.img"); code != exitFine {
		t.Fatalf("the frozen image: exit code %d\n%s%s", code, out, complaints)
	}
	explore := func(args ...string) (string, string, int) {
		return crashRun(context.Background(), append([]string{"explore", "--log", "stock.log", "--base", "base.img", "--origin", "0+16384", "--cow", "16384+32768", "--from-mark", "frozen"}, args...)...)
	}
	if out, complaints, code := explore("--check", "cmp frozen.img", "--json"); code != exitFine || !strings.Contains(out, `"check_runs":1,`) || !strings.Contains(out, `"failed_checks":0,`) {
		t.Errorf("the snapshot: exit code %d\n%s%s", code, out, complaints)
	}
	out, complaints, code := explore("--check", "cmp {} frozen.img", "--check-ok", "2", "--view", "origin", "--reorder", "0")
	_, line, found := strings.Cut(out, "\nnext: dmsnapctl crash ")
	if code != exitCritical || !found {
		t.Fatalf("the origin: exit code %d\n%s%s", code, out, complaints)
	}
	line, _, _ = strings.Cut(line, " #")
	if out, complaints, code := crashRun(context.Background(), strings.Fields(line)...); code != exitFine {
		t.Fatalf("%s: exit code %d\n%s%s", line, code, out, complaints)
	}
	saw, err := os.ReadFile("image.img")
	if err != nil || len(saw) != 8<<20 {
		t.Fatalf("%d bytes, %v", len(saw), err)
	}
	if frozen, err := os.ReadFile("frozen.img"); err != nil || string(frozen) == string(saw) {
		t.Errorf("the checker found fault with what was not changed, or %v", err)
	}
	if out, complaints, code := explore("--check", "no-such-checker"); code != exitUnknown || !strings.Contains(complaints, "the checker cannot be used") {
		t.Errorf("a checker that is not there: exit code %d\n%s%s", code, out, complaints)
	}
	out, _, code = explore("--check", "kill -9 $$;", "--json")
	var r struct {
		Undecided uint64 `json:"undecided_checks"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitUnknown || r.Undecided == 0 {
		t.Errorf("a checker that is killed: exit code %d, %+v, %v", code, r, err)
	}
}

// TestIsTheFileSystemWhole: the second question at the start of docs/crash.md, with
// a part of the states.
func TestIsTheFileSystemWhole(t *testing.T) {
	fixtures, err := filepath.Abs(filepath.Join("..", "..", "testdata", "crash"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, name := range []string{"ext4-origin.log", "ext4-origin-upper.log", "ext4-origin.img"} {
		place(t, name, cowtest.Unpack(t, filepath.Join(fixtures, name+".gz")), 0o600)
	}
	out, complaints, code := crashRun(context.Background(), "explore", "--log", "ext4-origin.log", "--base", "ext4-origin.img",
		"--origin", "0+16384", "--cow", "16384+32768", "--from-mark", "frozen", "--upper", "ext4-origin-upper.log", "--upper-view", "origin",
		"--view", "origin", "--reorder", "0", "--check", "e2fsck -fy", "--check-ok", "1", "--shard", "2/12", "--json")
	var r struct {
		Failed uint64 `json:"failed_checks"`
		Runs   uint64 `json:"check_runs"`
		Marks  int    `json:"common_marks"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitFine || r.Failed > 0 || r.Runs < 10 || r.Marks == 0 {
		t.Errorf("exit code %d, %+v, %v\n%s%s", code, r, err, out, complaints)
	}
	t.Logf("%d checks", r.Runs)
}
