package mend

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify"
)

// newFile is a NewFile in memory.
type newFile struct{ disk }

func (f *newFile) Sync() error { return f.Flush() }

// lossy is a file that keeps nothing of what is written to it.
type lossy struct{ newFile }

func (lossy) WriteAt(b []byte, _ int64) (int, error) { return len(b), nil }

func TestRestoreToANewFile(t *testing.T) {
	s := newScene(kind{chunk: 2, changed: 40, origin: 300 << 10, leaked: 3})
	lines, old, size := dumpOf(t, s.store), &disk{b: s.store}, int64(len(s.store)+4096)
	r, err := PlanRestoration(ctx, bytes.NewReader(lines), old, size)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Plan().Run(ctx, nil); !errors.Is(err, errNotMade) {
		t.Errorf("the plan runs without a file: %v", err)
	}
	anew := &newFile{disk{b: make([]byte, size)}}
	if err := r.Write(ctx, anew, nil); err != nil {
		t.Fatal(err)
	}
	if got, want := view(anew.b, s.origin), view(s.store, s.origin); !bytes.Equal(got, want) {
		t.Error("the new store shows something else")
	}
	err = r.Write(ctx, &lossy{newFile{disk{b: make([]byte, size)}}}, nil)
	if stopped := new(Stopped); !errors.As(err, &stopped) || !errors.Is(err, verify.ErrDamaged) || !strings.Contains(stopped.After, "not complete") || errors.Is(err, ErrAgain) {
		t.Errorf("a file that loses what is written to it: %v", err)
	}
	if _, err := PlanRestoration(ctx, bytes.NewReader(lines), old, int64(len(s.store))/2); !errors.Is(err, ErrRoom) {
		t.Errorf("half the size: %v", err)
	}
}

// TestRestoreWithTooLittleData: where the old store cannot have the data, nothing
// is written.
func TestRestoreWithTooLittleData(t *testing.T) {
	s := newScene(kind{chunk: 2, changed: 40, origin: 300 << 10, leaked: 3})
	lines, half := dumpOf(t, s.store), len(s.store)/2
	if _, err := Restore(ctx, bytes.NewReader(lines), &disk{b: make([]byte, len(s.store))}, RestoreOptions{Data: &disk{b: s.store[:half]}}); !errors.Is(err, ErrRoom) {
		t.Errorf("with half of the old store: %v", err)
	}
	beyond := bytes.Replace(lines, fmt.Appendf(nil, `"size_bytes":%d`, len(s.store)), fmt.Appendf(nil, `"size_bytes":%d`, half), 1)
	if _, err := Restore(ctx, bytes.NewReader(beyond), &disk{b: make([]byte, half)}, RestoreOptions{Data: &disk{b: s.store}}); !errors.Is(err, ErrRoom) {
		t.Errorf("onto a device without the chunks of a damaged store: %v", err)
	}
}
