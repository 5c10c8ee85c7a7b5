package dmctl

import (
	"bytes"
	"errors"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// A store is handed back only if the kernel's memory of it equals the store on
// disk. If the last chunk was merged and that was not recorded, they differ.
func TestMergedButNotRecorded(t *testing.T) {
	for name, tt := range map[string]struct {
		origin []byte
		want   error
	}{
		"copied": {bytes.Repeat([]byte{'x'}, 4096), ErrRefused},
		"begun":  {bytes.Repeat([]byte{'x'}, 4095), nil},
		"not":    {nil, nil},
	} {
		m := dmtest.New()
		c := NewOn(m)
		for _, step := range []func(*Controller) error{doCreate(onPlain), failedMerge} {
			if err := step(c); err != nil {
				t.Fatal(err)
			}
		}
		m.Disks["/dev/a"].Data = tt.origin
		before := m.String()
		err := doMerge("s")(c)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", name, err, tt.want)
		}
		if err != nil && m.String() != before {
			t.Errorf("%s: refused, but before:\n%s\nafter:\n%s", name, before, m)
		}
	}
}

// If data to be compared cannot be read, nothing is done.
func TestMergeAgainOfAStoreThatCannotBeRead(t *testing.T) {
	m := dmtest.New()
	c := NewOn(m)
	for _, step := range []func(*Controller) error{doCreate(onPlain), failedMerge} {
		if err := step(c); err != nil {
			t.Fatal(err)
		}
	}
	m.Disks["/dev/b"].Data = nil // no header
	before := m.String()
	if err := doMerge("s")(c); err == nil || m.String() != before {
		t.Errorf("%v; before:\n%s\nafter:\n%s", err, before, m)
	}
}
