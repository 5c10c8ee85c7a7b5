// Outside is a program as others may write it: it imports only what anybody
// can import. A test of package verify builds and runs it.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

func main() {
	ctx := context.Background()
	if err := judge(ctx); err != nil {
		log.Fatal(err)
	}
	if err := control(ctx); err != nil {
		log.Fatal(err)
	}
	answer := check.Run(check.Request{Subject: check.Version, Version: gate.Version{Major: 1, Minor: 16}})
	fmt.Println("gate:", answer.Verdict)
}

// judge reads a store in which a crash has lost chunk 3.
func judge(ctx context.Context) error {
	image := cowtest.Store{Chunk: 8, Exceptions: []cow.Exception{{Old: 7, New: 2}, {Old: 9, New: 4}}}.Bytes()
	device, size := bytes.NewReader(image), int64(len(image))
	report, err := verify.Verify(ctx, device, size, verify.Options{})
	if err != nil {
		return err
	}
	fmt.Println("judge:", report.Verdict, report.Leaks.Chunks)

	s, err := store.Open(device, size)
	if err != nil {
		return err
	}
	for e, err := range s.Exceptions(ctx) {
		if err != nil {
			return err
		}
		fmt.Println("exception:", e.Old, e.New)
	}
	return nil
}

// control makes a snapshot on an in-memory kernel.
func control(ctx context.Context) error {
	c := dmctl.NewOn(dmtest.New())
	if err := c.Create(ctx, dmctl.CreateRequest{Name: "snap", Origin: "/dev/a", COW: "/dev/b"}); err != nil {
		return err
	}
	snapshots, err := c.Snapshots(ctx)
	if err != nil {
		return err
	}
	for _, s := range snapshots {
		fmt.Println("controller:", s.Name)
	}
	return nil
}
