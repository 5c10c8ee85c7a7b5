//go:build linux && kernel

package dmctl

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// 101 snapshots of one origin, activated and removed.
func TestManySnapshots(t *testing.T) {
	const n = 101
	c, disks := scratch(t)
	ctx := context.Background()
	vol := mapped(t, c, "vol", "0 8192 linear "+disks[0]+" 0")
	own := tableOf(t, c, "vol")
	emptyStores(t, disks[1], n)
	sizes := make([]int, n)
	for i := range sizes {
		sizes[i] = 1
	}
	cows := pieces(t, c, disks[1], "cow", sizes...)
	fill(t, vol, 0, 4*mib, 1)
	want := content(t, vol)
	for i, path := range cows {
		if err := c.Activate(ctx, ActivateRequest{Name: fmt.Sprintf("s%d", i), Origin: vol, COW: path}); err != nil {
			t.Fatal(err)
		}
	}
	fill(t, vol, mib, mib/4, 2)
	for _, i := range []int{0, 50, 100} {
		same(t, fmt.Sprintf("snapshot %d", i), content(t, fmt.Sprintf("/dev/mapper/s%d", i)), want)
	}
	all, err := c.Snapshots(ctx)
	if err != nil || len(all) != n {
		t.Errorf("%d snapshots, %v", len(all), err)
	}
	for i := range cows {
		remove(t, c, fmt.Sprintf("s%d", i))
	}
	if got := tableOf(t, c, "vol"); got != own {
		t.Errorf("the origin's table became %s", got)
	}
}

// emptyStores writes n empty stores to a disk, a MiB apart.
func emptyStores(t *testing.T, disk string, n int) {
	t.Helper()
	f, err := blockdev.OpenWriter(disk)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		chunks := append(cow.NewHeader(8).AppendTo(nil), make([]byte, 8192-cow.HeaderSize)...)
		if _, err := f.WriteAt(chunks, int64(i)*mib); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(f.Flush(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// model is the content that a device must have, block by block.
type model struct {
	path string
	want []byte
}

// scribble writes at random places, to the device and to the model.
func (m *model) scribble(seed uint64, writes int) error {
	f, err := os.OpenFile(m.path, os.O_WRONLY|unix.O_DIRECT, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	r := rand.New(rand.NewPCG(seed, 1))
	buf := blockdev.AlignedBuffer(4096)
	for range writes {
		for i := range buf {
			buf[i] = byte(r.Uint32())
		}
		off := r.Int64N(int64(len(m.want))/4096) * 4096
		if _, err := f.WriteAt(buf, off); err != nil {
			return fmt.Errorf("%s: %w", m.path, err)
		}
		copy(m.want[off:], buf)
	}
	return nil
}

// 16 snapshots of all kinds and chunk sizes, with concurrent writes to all of
// them and to the origin: none sees the writes to another.
func TestParallelIO(t *testing.T) {
	c, disks := scratch(t)
	vol := mapped(t, c, "vol", "0 16384 linear "+disks[0]+" 0")
	sizes := make([]int, 16)
	for i := range sizes {
		sizes[i] = 24
	}
	cows := append(pieces(t, c, disks[1], "cow", sizes[:8]...), pieces(t, c, disks[2], "wow", sizes[8:]...)...)
	fill(t, vol, 0, 8*mib, 1)
	origin := &model{vol, content(t, vol)}
	models := []*model{origin}
	for i, path := range cows {
		r := CreateRequest{Name: fmt.Sprintf("s%d", i), Origin: vol, COW: path, ChunkBytes: 4096 << (i % 4), Transient: i%3 == 2, Overflow: i%3 == 1, Force: true}
		create(t, c, r)
		models = append(models, &model{"/dev/mapper/" + r.Name, append([]byte(nil), origin.want...)})
		if err := origin.scribble(uint64(100+i), 20); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	errs := make([]error, len(models))
	for i, m := range models {
		all.Go(func() { errs[i] = m.scribble(uint64(i), 200) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	for _, m := range models {
		same(t, m.path, content(t, m.path), m.want)
	}
	for i := range cows {
		remove(t, c, fmt.Sprintf("s%d", i))
	}
	same(t, "origin after remove", content(t, vol), origin.want)
}

// Chunk sizes from one page to 16 MiB, and every kind of store.
func TestChunkSizes(t *testing.T) {
	c, disks := scratch(t)
	for _, store := range []CreateRequest{{}, {Overflow: true}, {Transient: true}} {
		for chunk := cow.Sectors(8); chunk <= 32768; chunk *= 16 {
			r := store
			r.Name, r.Origin, r.COW, r.ChunkBytes, r.Force = "s", disks[0], disks[1], int64(chunk)<<9, true
			fill(t, disks[0], 0, 4*mib, uint64(chunk))
			want := content(t, disks[0])
			create(t, c, r)
			fill(t, "/dev/mapper/s-origin", mib, mib, 9)
			same(t, fmt.Sprintf("snapshot with chunks of %d sectors, %+v", chunk, store), content(t, "/dev/mapper/s"), want)
			if s := snapshot(t, c, "s"); s.ChunkSectors != chunk || s.State != "active" {
				t.Errorf("chunks of %d sectors: %+v", chunk, s)
			}
			remove(t, c, "s")
		}
	}
}

func TestForeignOrigins(t *testing.T) {
	c, disks := scratch(t)
	for prefix, owner := range map[string]string{"LVM-": "LVM", "mpath-": "multipath", "CRYPT-": "cryptsetup"} {
		name := mustName(t, "vol"+owner)
		uuid, err := devices.UUIDOf(prefix + "0123")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.e.Create(name, uuid), c.e.Load(name, table.Single(2048, table.Zero{})), c.e.Resume(name, 0)); err != nil {
			t.Fatal(err)
		}
		info, err := c.e.Info(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.e.AddNode(name, info.Dev); err != nil {
			t.Fatal(err)
		}
		r := CreateRequest{Name: "s" + owner, Origin: "/dev/mapper/" + name.String(), COW: disks[1]}
		if err := c.Create(context.Background(), r); !errors.Is(err, ErrForce) || !strings.Contains(err.Error(), owner) {
			t.Errorf("an origin of %s: %v", owner, err)
		}
		r.Force = true
		create(t, c, r)
		remove(t, c, r.Name)
	}
}
