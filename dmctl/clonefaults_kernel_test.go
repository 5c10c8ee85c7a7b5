//go:build linux && kernel

package dmctl

// What goes wrong around clones: their base is written to, loop devices are
// taken or missing, programs keep clones open, names have spaces.

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

// clonesAre clones a base, or wants an error.
func clonesAre(t *testing.T, c *Controller, base, dir string, want error, names ...string) {
	t.Helper()
	err := c.Clone(context.Background(), CloneRequest{Names: names, Base: base, StoreDir: dir})
	if !errors.Is(err, want) {
		t.Fatalf("clone %v: %v, want %v", names, err, want)
	}
}

// removesAll removes clones with their stores; only these files stay.
func removesAll(t *testing.T, c *Controller, dir string, names []string, stay ...string) {
	t.Helper()
	if err := c.RemoveClones(context.Background(), RemoveClonesRequest{Names: names, DeleteStores: true}); err != nil {
		t.Error(err)
	}
	settled(t, dir, "removed")
	if got := filesIn(t, dir); !slices.Equal(got, stay) {
		t.Errorf("files are left: %v, want %v", got, stay)
	}
}

// A base that is written to while clones run: no more clones are made of it
// without force, clones of another base keep theirs, and what the clones have
// written themselves stays.
func TestBaseWrittenWhileClonesRun(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	other := filepath.Join(dir, "other.img")
	if err := os.WriteFile(other, noise(imageBytes, 11), 0o600); err != nil {
		t.Fatal(err)
	}
	clonesAre(t, c, image, dir, nil, "s")
	clonesAre(t, c, other, dir, nil, "t")
	fill(t, "/dev/mapper/s", 0, mib, 5)
	writer, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	clonesAre(t, c, image, dir, ErrForce, "u")
	if _, err := writer.WriteAt(noise(imageBytes, 12), 0); err != nil {
		t.Fatal(err)
	}
	clonesAre(t, c, image, dir, ErrForce, "u")
	p, err := c.PlanClone(context.Background(), CloneRequest{Names: []string{"u"}, Base: image, StoreDir: dir, Force: true})
	if err != nil || len(p.Notes) == 0 || !strings.Contains(p.Notes[0].Text, "can be written to") {
		t.Fatalf("by force: %v, notes %v", err, p)
	}
	run(t, c, p, err)
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	reads(t, "s", 0, noise(mib, 5))
	reads(t, "t", 0, noise(imageBytes, 11))
	reads(t, "u", 0, noise(imageBytes, 12))
	removesAll(t, c, dir, []string{"s", "t", "u"}, "base.img", "other.img")
}

// Other programs take free loop devices all the time: every clone gets one, no
// two get the same, and none is left.
func TestClonesBesideLosetup(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	theirs := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(theirs, make([]byte, mib), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, enough := context.WithCancel(context.Background())
	var others sync.WaitGroup
	for range 3 {
		others.Go(func() {
			for ctx.Err() == nil {
				out, err := exec.Command("losetup", "-f", "--show", theirs).Output()
				if err == nil { // it loses races, and does not try again
					_ = exec.Command("losetup", "-d", strings.TrimSpace(string(out))).Run()
				}
			}
		})
	}
	var names, stores []string
	for i := range 24 {
		names = append(names, fmt.Sprintf("c%02d", i))
		stores = append(stores, names[i]+".cow")
	}
	for i := range 3 { // several calls: the base is looked for each time
		clonesAre(t, c, image, dir, nil, names[i*8:i*8+8]...)
	}
	enough()
	others.Wait()
	settled(t, dir, "beside losetup", append([]string{"base.img"}, stores...)...)
	for i, n := range names {
		fill(t, "/dev/mapper/"+n, 0, 4096, uint64(100+i))
	}
	for i, n := range names {
		reads(t, n, 0, noise(4096, uint64(100+i)))
	}
	removesAll(t, c, dir, names, "base.img")
}

// Without the loop module there are no clones, and nothing of them is left. With
// it, they are made as if nothing had happened.
func TestClonesWithoutLoopModule(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	const loader = "/proc/sys/kernel/modprobe"
	usual, err := os.ReadFile(loader)
	if err != nil {
		t.Fatal(err)
	}
	load := func() {
		if err := os.WriteFile(loader, usual, 0); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(load)
	// Where systemd has made /dev/loop-control, opening it loads the module.
	if err := os.WriteFile(loader, []byte("/bin/false"), 0); err != nil {
		t.Fatal(err)
	}
	settle(t) // a device that udev scans keeps the module
	if err := unix.DeleteModule("loop", unix.O_NONBLOCK); errors.Is(err, unix.ENOENT) {
		t.Skip("not applicable: the loop driver is part of this kernel")
	} else if err != nil {
		t.Fatal(err)
	}
	clonesAre(t, c, image, dir, ErrNoLoop, "s", "t")
	for _, name := range []string{"s", "t"} {
		if _, err := c.e.Info(mustName(t, name)); !devices.IsGone(err) {
			t.Errorf("%s is there: %v", name, err)
		}
	}
	if got := filesIn(t, dir); !slices.Equal(got, []string{"base.img"}) {
		t.Errorf("files are left: %v", got)
	}
	if notes, err := c.e.Notes(); err != nil || len(notes) > 0 {
		t.Errorf("notes are left: %v, %v", notes, err)
	}
	load()
	loadModule(t, "drivers/block", "loop")
	clonesAre(t, c, image, dir, nil, "s", "t")
	reads(t, "s", 0, noise(imageBytes, 9))
	removesAll(t, c, dir, []string{"s", "t"}, "base.img")
}

// A program, such as a virtual machine, keeps a clone open: the wait ends, the
// program is named, the clone and its store stay, and the others are removed.
func TestCloneHeldByProgramStays(t *testing.T) {
	c, _ := scratch(t)
	image, dir := cloneRoom(t)
	ctx := context.Background()
	clonesAre(t, c, image, dir, nil, "s", "t", "u")
	fill(t, "/dev/mapper/s", 0, mib, 5)
	vm := exec.Command("/bin/sh", "-c", "exec </dev/mapper/s; echo open; exec sleep 1000")
	out, err := vm.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := vm.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	holder := fmt.Sprintf("(process %d)", vm.Process.Pid)
	for what, err := range map[string]error{
		"reset":  c.Reset(ctx, ResetRequest{Names: []string{"s", "t"}}),
		"remove": c.RemoveClones(ctx, RemoveClonesRequest{Names: []string{"s", "t"}, DeleteStores: true}),
	} {
		var parts *PartErrors
		if !errors.As(err, &parts) || len(parts.Failed) != 1 || parts.Failed[0].Name != "s" || !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), holder) {
			t.Errorf("%s: %v; want s busy, and %s", what, err, holder)
		}
	}
	settled(t, dir, "held", "base.img", "s.cow", "u.cow")
	reads(t, "s", 0, noise(mib, 5))
	reads(t, "u", 0, noise(imageBytes, 9))
	_ = vm.Process.Kill()
	_ = vm.Wait()
	removesAll(t, c, dir, []string{"s", "u"}, "base.img")
}

// Spaces in the names of clones, images, stores and directories: in a clone's
// whole life, after a kill, and in lists.
func TestClonesWithSpacesInNames(t *testing.T) {
	c, _ := scratch(t)
	_, top := cloneRoom(t)
	ctx := context.Background()
	dir := filepath.Join(top, "my stores ")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	image := filepath.Join(dir, " base of all.img")
	if err := os.WriteFile(image, noise(imageBytes, 13), 0o600); err != nil {
		t.Fatal(err)
	}
	const name = "web server"
	clonesAre(t, c, image, dir, nil, name)
	all, err := c.Snapshots(ctx)
	if err != nil || len(all) != 1 || all[0].Base != image {
		t.Fatalf("%+v, %v", all, err)
	}
	store := all[0].Store
	node := "/dev/mapper/" + all[0].Name
	fill(t, node, 0, mib, 5)
	names := []string{name}
	if err := c.RemoveClones(ctx, RemoveClonesRequest{Names: names}); err != nil {
		t.Fatal(err)
	}
	if err := c.ActivateClone(ctx, ActivateCloneRequest{Name: name, Base: image, Store: store}); err != nil {
		t.Fatal(err)
	}
	reads(t, all[0].Name, 0, noise(mib, 5))
	if err := c.Reset(ctx, ResetRequest{Names: names}); err != nil {
		t.Fatal(err)
	}
	reads(t, all[0].Name, 0, noise(mib, 13))
	c.Release()
	wasKilled(t, child(t, request{RemoveClones: &RemoveClonesRequest{Names: names, DeleteStores: true}}, 2))
	if err := c.Recover(ctx); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(store); err == nil {
		removesAll(t, c, dir, names, filepath.Base(image))
	}
	settled(t, dir, "removed")
	if got, err := os.ReadFile(image); err != nil || !bytes.Equal(got, noise(imageBytes, 13)) {
		t.Errorf("the base has changed (%v)", err)
	}
}
