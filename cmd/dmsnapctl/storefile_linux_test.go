package main

import (
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

// TestOriginsThatHaveSnapshots: given as the device that is snapshotted, and
// as the device for writing to it.
func TestOriginsThatHaveSnapshots(t *testing.T) {
	all := []dmctl.Snapshot{{Name: "s", Origin: "/dev/vdb", OriginDevice: "/dev/mapper/s-origin"}}
	for node, refused := range map[string]bool{"/dev/vdb": true, "/dev/mapper/s-origin": true, "/dev/vdc": false} {
		if err := refuseOriginOf(all, node); (err != nil) != refused || refused && !strings.Contains(err.Error(), "snapshot, s") {
			t.Errorf("%s: %v", node, err)
		}
	}
}
