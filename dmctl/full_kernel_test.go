//go:build linux && kernel

package dmctl

import (
	"os"
	"testing"
)

// A store without room, for every kind of store and both ways to need room:
// the state of the snapshot, and that the origin accepts every write.
func TestFullStore(t *testing.T) {
	c, disks := scratch(t)
	cow := pieces(t, c, disks[1], "cow", 1)[0]
	type kind struct{ Transient, Overflow bool }
	tests := []struct {
		name          string
		kind          kind
		throughOrigin string // the state after a write to the origin
		throughItself string // the state after a write through the snapshot
	}{
		{"P", kind{}, "invalid", "invalid"},
		{"PO", kind{Overflow: true}, "invalid", "overflow"},
		{"N", kind{Transient: true}, "invalid", "invalid"},
	}
	for _, tt := range tests {
		for _, way := range []struct{ path, want string }{
			{"/dev/mapper/s-origin", tt.throughOrigin},
			{"/dev/mapper/s", tt.throughItself},
		} {
			fill(t, disks[0], 0, 4*mib, 1)
			create(t, c, CreateRequest{Name: "s", Origin: disks[0], COW: cow, ChunkBytes: 8 << 9, Force: true, Transient: tt.kind.Transient, Overflow: tt.kind.Overflow})
			f, err := os.OpenFile(way.path, os.O_WRONLY|os.O_SYNC, 0)
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt(noise(2*mib, 2), 0)
			if toOrigin := way.path == "/dev/mapper/s-origin"; toOrigin != (err == nil) {
				t.Errorf("%s: a write of more than the store holds to %s: %v", tt.name, way.path, err)
			}
			f.Close()
			if s := snapshot(t, c, "s"); s.State != way.want {
				t.Errorf("%s: after a write of more than the store holds to %s: %s, want %s", tt.name, way.path, s.State, way.want)
			}
			fill(t, "/dev/mapper/s-origin", 3*mib, mib/2, 3)
			origin := content(t, "/dev/mapper/s-origin")
			same(t, "the origin's last write", origin[3*mib:3*mib+mib/2], noise(mib/2, 3))
			if way.path == "/dev/mapper/s-origin" {
				same(t, "the origin's first write", origin[:2*mib], noise(2*mib, 2))
			} else {
				same(t, "the origin where nobody wrote to it", origin[:2*mib], noise(4*mib, 1)[:2*mib])
			}
			remove(t, c, "s")
		}
	}
}
