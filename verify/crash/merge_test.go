package crash

import (
	"bytes"
	"slices"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// TestMergeOneByOne: the log begins with a store of 20 exceptions and
// merges them one by one. In each state the merged image is the old one, and each
// block of the origin is old or new. A merge that clears an exception before its
// data is flushed, and one that writes other data, are caught.
func TestMergeOneByOne(t *testing.T) {
	m := newMachine(t, 512, 8, 64, 64)
	old := m.image()
	m.create(allocator.Fixed)
	m.overwrite(chunks(0, 20)...)
	m.flush()
	base := m.image()
	m.log, m.held = nil, nil
	m.flush()
	m.mark("frozen")
	for k := 19; k >= 0; k-- {
		m.mergeLast(cow.Chunk(k), m.g.DataChunk(uint64(k)), k)
	}
	m.end()
	opt := m.options(base)
	opt.FromMark = "frozen"
	if r := explore(t, logBytes(t, 512, m.log), opt); len(caught(r)) > 0 || r.Commits != 20 || len(r.Doubts) > 0 {
		t.Errorf("%d commits, doubts %v, caught by %q: %+v", r.Commits, r.Doubts, caught(r), r.FirstFailure)
	}
	if images, wrong := neitherOldNorNew(t, m.log, opt, old, base); images < 20*8 || wrong > 0 {
		t.Errorf("of %d images of the origin %d have a block that is neither old nor new", images, wrong)
	}
	x := historyOf(t, openBytes(t, logBytes(t, 512, m.log)), opt)
	commit := nth(x, commits, 9)
	unflushed := slices.Delete(slices.Clone(m.log), commit-1, commit)
	expectCaught(t, explore(t, logBytes(t, 512, unflushed), opt), "broken image", "lint: "+string(ClearedBeforeMerge))
	flipped := slices.Clone(m.log)
	write := before(x, origins, commit)
	flipped[write].data = bytes.Clone(flipped[write].data)
	flipped[write].data[100] ^= 1
	expectCaught(t, explore(t, logBytes(t, 512, flipped), opt), "broken image", "lint: "+string(ClearedBeforeMerge))
	if _, wrong := neitherOldNorNew(t, flipped, opt, old, base); wrong == 0 {
		t.Error("no image of the origin shows the flipped bit")
	}
}

// neitherOldNorNew counts the distinct images of the origin, epoch by epoch, and
// those with a block that is in neither of two images.
func neitherOldNorNew(t *testing.T, log []scripted, opt Options, old, new []byte) (images, wrong int) {
	t.Helper()
	now := make([]byte, opt.Origin.Len*cow.SectorSize)
	opt.View = OriginView
	opt.Show = func(s *Shown) {
		if _, err := s.Disk.ReadAt(now, 0); err != nil {
			t.Fatal(err)
		}
		images++
		for at := 0; at < len(now); at += cow.SectorSize {
			block := now[at : at+cow.SectorSize]
			if !bytes.Equal(block, old[at:at+cow.SectorSize]) && !bytes.Equal(block, new[at:at+cow.SectorSize]) {
				wrong++
				return
			}
		}
	}
	explore(t, logBytes(t, 512, log), opt)
	return images, wrong
}
