package crash

import (
	"context"
	"hash/maphash"
	"io"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
	show "github.com/dmsnapctl/dmsnapctl/verify/image"
)

// sum stands for an image. Nobody forges images here, so 64 bits are enough.
type sum uint64

var seed = maphash.MakeSeed()

func sumOf(t *testing.T, r io.Reader) sum {
	t.Helper()
	image, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return sum(maphash.Bytes(seed, image))
}

// viewOf returns the part of a disk that a view shows.
func viewOf(t *testing.T, disk io.ReaderAt, size int64, opt Options, v View, store int) sum {
	t.Helper()
	switch v {
	case DiskView:
		return sumOf(t, io.NewSectionReader(disk, 0, size))
	case OriginView:
		return sumOf(t, opt.Origin.In(disk))
	}
	origin, cow := opt.Origin.In(disk), opt.COW[store].In(disk)
	im, _, err := show.Open(context.Background(), show.Source{Store: cow, StoreSize: cow.Size(), Origin: origin, OriginSize: origin.Size()}, show.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return sumOf(t, io.NewSectionReader(im, 0, im.Size()))
}

// busy is a log with some of everything: overwrites one by one and at once,
// writes to the snapshot, discards, writes outside the regions.
func busy(t *testing.T) ([]byte, Options) {
	m := newMachine(t, 512, 8, 24, 24)
	base := m.image()
	m.create(allocator.Leaky)
	m.overwrite(chunks(0, 6)...)
	m.write(m.cowBlock(3)+2, filled(512, 1, 's')) // the snapshot's chunk 1
	m.write(uint64(m.cow.Start+m.cow.Len)+3, filled(512, 1, 'e'))
	m.overwriteAtOnce(2, chunks(10, 5)...)
	m.held = append(m.held, scripted{logwrites.Entry{Sector: m.originBlock(2), Sectors: 4, Flags: logwrites.Discard}, nil})
	m.write(m.cowBlock(3)+2, filled(512, 1, 't'))
	m.overwrite(20, 21)
	m.write(m.originBlock(20), m.pattern(20, 0)) // as it was
	m.flush()
	m.write(uint64(m.cow.Start+m.cow.Len)+3, filled(512, 1, 'f'))
	m.end()
	opt := m.options(base)
	opt.SnapshotWritten, opt.Reorder = true, 40
	return logBytes(t, 512, m.log), opt
}

// TestShownAreAllImages: the images that are shown are exactly those that the
// states have if each is read through an overlay, each once per epoch. Equal
// keys mean equal images, and different keys different ones.
func TestShownAreAllImages(t *testing.T) {
	log, opt := busy(t)
	l := openBytes(t, log)
	for _, view := range []View{SnapshotView, OriginView, DiskView} {
		type inEpoch struct {
			epoch int
			image sum
		}
		want, got, keys := map[inEpoch]State{}, map[inEpoch]int{}, map[uint64]sum{}
		opt.View = view
		opt.Visit = func(j Judged) {
			if view == SnapshotView && (!j.Valid || j.Corrupt) {
				return
			}
			s := j.State()
			o, err := NewOverlay(l, s, opt.Base, opt.BaseSize)
			if err != nil {
				t.Fatal(err)
			}
			o.Grow(Region{0, cow.Sectors(uint64(opt.COW[0].Start+opt.COW[0].Len) + 4)})
			want[inEpoch{s.Durable, viewOf(t, o, int64(o.Size()), opt, view, 0)}] = s
		}
		opt.Show = func(s *Shown) {
			sum := viewOf(t, s.Disk, s.DiskSize, opt, view, s.Store)
			got[inEpoch{s.State.Durable, sum}]++
			if known, ok := keys[s.Key]; ok && known != sum {
				t.Errorf("%s: state %v: a key of another image", view, s.State)
			}
			keys[s.Key] = sum
		}
		r := explore(t, log, opt)
		for k, s := range want {
			if got[k] != 1 {
				t.Errorf("%s: the image of state %v is shown %d times", view, s, got[k])
			}
		}
		images := map[sum]bool{}
		for k := range got {
			if _, ok := want[k]; !ok {
				t.Errorf("%s: an image in the epoch from %d that no state has", view, k.epoch)
			}
			images[k.image] = true
		}
		if len(images) < 2 || view != DiskView && uint64(len(want)) >= r.States {
			t.Errorf("%s: %d images in %d states: too few to tell", view, len(images), r.States)
		}
		// The disk outside the regions is not compared, so two images are
		// never treated as equal.
		if view != DiskView && len(images) != len(keys) {
			t.Errorf("%s: %d keys for %d images", view, len(keys), len(images))
		}
	}
}

// TestShownOnceInParts: an epoch whose random states are cut in parts shows
// each image once, and the next epoch begins with the image it left.
func TestShownOnceInParts(t *testing.T) {
	log, opt := busy(t)
	opt.View, opt.Reorder = OriginView, 2*partStates+5
	type shown struct {
		epoch int
		key   uint64
	}
	seen, images := map[shown]int{}, map[uint64]sum{}
	opt.Show = func(s *Shown) {
		seen[shown{s.State.Durable, s.Key}]++
		images[s.Key] = viewOf(t, s.Disk, s.DiskSize, opt, OriginView, 0)
	}
	explore(t, log, opt)
	different := map[sum]bool{}
	for _, s := range images {
		different[s] = true
	}
	for k, n := range seen {
		if n != 1 {
			t.Errorf("%+v is shown %d times", k, n)
		}
	}
	if len(different) != len(images) {
		t.Errorf("%d keys for %d images", len(images), len(different))
	}
}

func TestShownReadsAnyBytes(t *testing.T) {
	log, opt := busy(t)
	opt.View = DiskView
	done := false
	opt.Show = func(s *Shown) {
		if done || len(s.State.Chosen) < 3 {
			return
		}
		done = true
		whole := make([]byte, s.DiskSize)
		if _, err := s.Disk.ReadAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		for _, at := range []struct{ off, n int }{{0, 0}, {1, 1}, {511, 2}, {512, 512}, {100, 5000}, {len(whole) - 1, 1}} {
			b := make([]byte, at.n)
			if n, err := s.Disk.ReadAt(b, int64(at.off)); n != at.n || err != nil || string(b) != string(whole[at.off:at.off+at.n]) {
				t.Errorf("%d bytes at %d: %d, %v, or other content", at.n, at.off, n, err)
			}
		}
		if _, err := s.Disk.ReadAt(whole, -1); err == nil {
			t.Error("a read before the start succeeds")
		}
	}
	if explore(t, log, opt); !done {
		t.Error("no state was shown")
	}
}
