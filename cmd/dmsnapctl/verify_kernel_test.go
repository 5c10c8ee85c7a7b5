//go:build linux && kernel

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

// runJSON runs the program and decodes the object it prints.
func runJSON(t *testing.T, into any, args ...string) (code int, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), append([]string{"dmsnapctl"}, args...), streams{in: strings.NewReader(""), out: &out, err: &errs})
	if err := json.Unmarshal(out.Bytes(), into); err != nil {
		t.Fatalf("%v: %v in %q; stderr %q", args, err, out.String(), errs.String())
	}
	return code, errs.String()
}

// TestVerifyOfAnActiveStore: verify recognises that the kernel has a store
// active, reads what the kernel has just written, and says so.
func TestVerifyOfAnActiveStore(t *testing.T) {
	disks := strings.Split(os.Getenv("DMSNAPCTL_TEST_DISKS"), ":")
	if len(disks) < 2 {
		t.Fatalf("DMSNAPCTL_TEST_DISKS=%q names too few disks", os.Getenv("DMSNAPCTL_TEST_DISKS"))
	}
	c, err := dmctl.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx := context.Background()
	if err := c.Create(ctx, dmctl.CreateRequest{Name: "live", Origin: disks[0], COW: disks[1], ChunkBytes: 8 << 9, Force: true}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Remove(ctx, dmctl.RemoveRequest{Name: "live"}); err != nil {
			t.Error(err)
		}
	}()
	origin, err := blockdev.OpenWriter("/dev/mapper/live-origin")
	if err != nil {
		t.Fatal(err)
	}
	defer origin.Close()
	for n := range uint64(3) {
		var r verify.Report
		code, stderr := runJSON(t, &r, "verify", "--json", disks[1])
		s, err := c.SnapshotNamed(ctx, "live")
		if err != nil {
			t.Fatal(err)
		}
		type figures struct {
			Code                       int
			Verdict                    verify.Verdict
			Exceptions                 uint64
			Allocated, Metadata, Total uint64
			Settled                    bool
		}
		want := figures{exitFine, verify.Clean, n, uint64(s.Allocated), uint64(s.Metadata), uint64(s.Total), true}
		u := r.Usage
		got := figures{code, r.Verdict, u.Exceptions, uint64(u.AllocatedSectors), uint64(u.MetadataSectors), uint64(u.TotalSectors), r.Live != nil && r.Live.Settled}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("after %d copies (-want +got):\n%s", n, diff)
		}
		if !strings.Contains(stderr, "in use by snapshot live") {
			t.Errorf("stderr %q", stderr)
		}
		if _, err := origin.WriteAt(make([]byte, 4096), int64(n)*4096); err != nil {
			t.Fatal(err)
		}
		if err := origin.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}
