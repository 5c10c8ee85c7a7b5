package job

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestJobAndOutcomeComeBack(t *testing.T) {
	dir := t.TempDir()
	j := Job{Modules: []string{"/a.ko"}, Writable: []string{"/w"}, Program: "/p", Args: []string{"x y"}, Dir: "/d", Env: []string{"A=b"}}
	if err := j.Write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := Read(dir)
	if diff := cmp.Diff(j, got); diff != "" || err != nil {
		t.Errorf("job (-want +got), error %v:\n%s", err, diff)
	}
	if _, err := ReadOutcome(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no outcome: error %v, want %v", err, os.ErrNotExist)
	}
	o := Outcome{Exit: 3, Failure: "why"}
	if err := o.Write(dir); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadOutcome(dir); got != o || err != nil {
		t.Errorf("outcome %v, error %v; want %v", got, err, o)
	}
}

func TestTornOutcomeIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, outcomeFile), []byte(`{"Ex`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOutcome(dir); err == nil {
		t.Error("no error")
	}
}
