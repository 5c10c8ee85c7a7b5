//go:build linux && kernel

// Merges of a store that was finished before the log begins, cut off anywhere.

package crash_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// mergeChunk is the chunk size of the merged store, in sectors: an area holds 128
// exceptions, and a write to the origin can be torn within a chunk.
const mergeChunk = 4

// TestMergeOfAFinishedStore: the log begins with a store over two areas, with
// runs of chunks and single ones, and merges all of it. In each state the merged
// image is the old one, and each block of the origin is old or new. The kernel
// finishes the merge from such states.
func TestMergeOfAFinishedStore(t *testing.T) {
	r := newRig(t, 512, 1)
	old, l := r.mergeAll()
	opt := r.options()
	report := r.explore(l, opt)
	r.expect(report, false)
	if report.Commits < 10 {
		t.Errorf("%d commits", report.Commits)
	}
	if images, wrong := r.neitherOldNorNew(l, opt, old); images < 100 || wrong != 0 {
		t.Errorf("of %d images of the origin %d have a block that is neither old nor new", images, wrong)
	}
	r.caught(l, opt, unflushedCommit(0.5), crash.ClearedBeforeMerge)
	flip := flippedBit(crash.OriginMoment, 0.5)
	r.caught(l, opt, flip, crash.ClearedBeforeMerge)
	if images, wrong := r.neitherOldNorNew(r.changed(l, opt, flip), opt, old); wrong == 0 {
		t.Errorf("none of %d images of the origin shows the flipped bit", images)
	}
	for _, s := range r.sampleStates(l, 3) {
		r.finishMerge(l, s.State, old)
	}
}

// mergeAll makes a store without a log, and records its merge. The rig's base is
// then the disk with the finished store; old is the origin before the snapshot.
func (r *rig) mergeAll() (old []byte, l *logwrites.Log) {
	r.t.Helper()
	old = r.base[:originSectors*512]
	r.snapshots(mergeChunk, r.linear("cow0", int(r.stores[0].Start), cowSectors))
	var chunks []int
	for run := range 6 {
		chunks = append(chunks, places(40*run, 22)...)
		chunks = append(chunks, 40*run+26, 40*run+31)
	}
	r.writePieces("/dev/mapper/origin", false, 1, mergeChunk*512, chunks...)
	r.removeAll()
	r.base = bytes.Clone(readDirect(r.t, r.data, len(r.base)))
	writeDirect(r.t, r.logDisk, 0, make([]byte, logBytes))
	r.create("lw", fmt.Sprintf("0 %d log-writes %s %s", len(r.base)/512, r.data, r.logDisk))
	o := r.linear("real", 0, originSectors)
	c := r.linear("cow0", int(r.stores[0].Start), cowSectors)
	r.mark("frozen")
	r.create("origin", fmt.Sprintf("0 %d snapshot-merge %s %s P %d", originSectors, o, c, mergeChunk))
	r.merged("origin")
	return old, r.log()
}

// merged waits until a merge is done.
func (r *rig) merged(name string) {
	r.t.Helper()
	waitFor(r.t, "the merge to be done", func() bool {
		var allocated, total, metadata int
		line := r.dm("status", name)
		if _, err := fmt.Sscanf(line, "0 16384 snapshot-merge %d/%d %d", &allocated, &total, &metadata); err != nil {
			r.t.Fatalf("status of the merge is %q: %v", line, err)
		}
		return allocated == metadata
	})
}

// neitherOldNorNew counts the images of the origin in all states, and those in
// which a block is neither what it was before the snapshot nor what it was before
// the merge.
func (r *rig) neitherOldNorNew(l *logwrites.Log, opt crash.Options, old []byte) (images, wrong int) {
	r.t.Helper()
	const read = 260 * mergeChunk * 512 // what mergeAll wrote to, with a margin
	now := make([]byte, read)
	opt.View = crash.OriginView
	opt.Show = func(s *crash.Shown) {
		if _, err := s.Disk.ReadAt(now, 0); err != nil {
			r.t.Fatal(err)
		}
		images++
		for at := 0; at < read; at += cow.SectorSize {
			block := now[at : at+cow.SectorSize]
			if !bytes.Equal(block, old[at:at+cow.SectorSize]) && !bytes.Equal(block, r.base[at:at+cow.SectorSize]) {
				wrong++
				return
			}
		}
	}
	r.explore(l, opt)
	return images, wrong
}

// finishMerge has the kernel merge a state to its end. The origin alone is then
// the old one.
func (r *rig) finishMerge(l *logwrites.Log, state string, old []byte) {
	r.t.Helper()
	r.stage(l, state)
	o := r.create("replay-real", fmt.Sprintf("0 %d linear %s 0", originSectors, r.replay))
	c := r.create("replay-cow", fmt.Sprintf("0 %d linear %s %d", cowSectors, r.replay, r.stores[0].Start))
	r.create("replay-merge", fmt.Sprintf("0 %d snapshot-merge %s %s P %d", originSectors, o, c, mergeChunk))
	r.merged("replay-merge")
	r.remove("replay-merge", "replay-cow")
	got := readDirect(r.t, o, len(old))
	r.remove("replay-real")
	if !bytes.Equal(got, old) {
		r.t.Errorf("state %s: after the kernel finished the merge, the origin is not the old one", state)
	}
}
