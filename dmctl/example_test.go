package dmctl_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
)

// A plan says what will be done before anything is done.
func ExampleController_PlanCreate() {
	// On a real machine: c, err := dmctl.Open()
	c := dmctl.NewOn(dmtest.New())
	defer c.Close()
	p, err := c.PlanCreate(context.Background(), dmctl.CreateRequest{
		Name: "snap", Origin: "/dev/a", COW: "/dev/b", ChunkBytes: 64 << 10,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, step := range p.Steps() {
		fmt.Println(step)
	}
	if err := c.Run(context.Background(), p); err != nil {
		fmt.Println(err)
	}
	// Output:
	// zero chunks 0 and 1 of /dev/b (8:1, 131072 bytes) and flush it
	// create device snap-origin
	// load table of snap-origin: snapshot-origin of /dev/a (8:0)
	// create device snap-dmsnap-new
	// load table of snap-dmsnap-new: snapshot with chunks of 65536 bytes, store P on /dev/b (8:1)
	// flush /dev/b
	// resume snap-dmsnap-new
	// resume snap-origin
	// see that /dev/mapper/snap-origin is there
	// rename snap-dmsnap-new to snap
	// see that /dev/mapper/snap is there
}

// How full the snapshots are.
func ExampleController_Snapshots() {
	c := dmctl.NewOn(dmtest.New())
	defer c.Close()
	ctx := context.Background()
	if err := c.Create(ctx, dmctl.CreateRequest{Name: "snap", Origin: "/dev/a", COW: "/dev/b"}); err != nil {
		fmt.Println(err)
		return
	}
	all, err := c.Snapshots(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range all {
		fmt.Printf("%s is %s: %d of %d sectors\n", s.Name, s.State, s.Allocated, s.Total)
	}
	// Output: snap is active: 16 of 2048 sectors
}

// Errors distinguish refusals.
func ExampleController_Create() {
	m := dmtest.New()
	m.Disks["/dev/b"].Carries = []string{"ext4"}
	c := dmctl.NewOn(m)
	defer c.Close()
	r := dmctl.CreateRequest{Name: "snap", Origin: "/dev/a", COW: "/dev/b"}
	err := c.Create(context.Background(), r)
	if errors.Is(err, dmctl.ErrForce) {
		fmt.Println("unless forced:", err)
		r.Force = true
		err = c.Create(context.Background(), r)
	}
	fmt.Println(err)
	// Output:
	// unless forced: COW device /dev/b contains ext4, which would be overwritten
	// <nil>
}

// A sandbox runner: one disk per sandbox, all over one image. All goroutines
// share the Controller.
func ExampleController_Clone() {
	m := dmtest.New() // on a real machine: c, err := dmctl.Open()
	m.Files["/img/debian.img"] = &dmtest.File{Bytes: 1 << 20}
	c := dmctl.NewOn(m)
	defer c.Close()
	ctx := context.Background()

	err := c.Clone(ctx, dmctl.CloneRequest{Names: []string{"vm1", "vm2"}, Base: "/img/debian.img", StoreDir: "/srv/vms"})
	var failed *dmctl.PartErrors
	if errors.As(err, &failed) { // these were undone, the others are there
		for _, f := range failed.Failed {
			fmt.Println(f.Name, f.Err)
		}
	}
	all, err := c.Snapshots(ctx)
	for _, s := range all {
		fmt.Println(s.Name, s.Base, s.Store)
	}
	fmt.Println(err)

	// Another user gets vm1 in its first state. vm2 is removed with everything
	// written to it.
	fmt.Println(c.Reset(ctx, dmctl.ResetRequest{Names: []string{"vm1"}}))
	fmt.Println(c.RemoveClones(ctx, dmctl.RemoveClonesRequest{Names: []string{"vm2"}, DeleteStores: true}))
	// Output:
	// vm1 /img/debian.img /srv/vms/vm1.cow
	// vm2 /img/debian.img /srv/vms/vm2.cow
	// <nil>
	// <nil>
	// <nil>
}
