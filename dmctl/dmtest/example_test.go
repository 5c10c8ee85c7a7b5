package dmtest_test

import (
	"context"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// A program that makes snapshots is tested with a kernel that refuses, and
// with the death of the program.
func Example() {
	ctx := context.Background()
	r := dmctl.CreateRequest{Name: "snap", Origin: "/dev/a", COW: "/dev/b"}

	m := dmtest.New()
	m.Failures[5] = dmtest.Clean
	err := dmctl.NewOn(m).Create(ctx, r)
	fmt.Println(err)
	fmt.Println(len(m.Devices), "devices are left")

	m = dmtest.New()
	m.Failures[5] = dmtest.Dead
	died, _ := dmtest.Dies(func() error { return dmctl.NewOn(m).Create(ctx, r) })
	m.Bury()
	fmt.Println("died:", died, "with", len(m.Devices), "devices")
	err = dmctl.NewOn(m).Recover(ctx)
	fmt.Println(len(m.Devices), "devices are left:", err)
	// Output:
	// create snapshot snap of /dev/a: undone, but chunks 0 and 1 of /dev/b are zeroed: load the table of snap-dmsnap-new: cannot allocate memory (dmesg says why)
	// 0 devices are left
	// died: true with 2 devices
	// 0 devices are left: <nil>
}
