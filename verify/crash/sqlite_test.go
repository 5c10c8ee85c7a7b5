package crash

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/crashtest"
)

// TestSqliteOnAKernel: the logs of ext4 with sqlite that a kernel test recorded, on
// the origin and on the snapshot. As they are, no state has lost what was flushed
// above. Without the flushes that no commit follows, states have, although the
// frozen image is whole.
func TestSqliteOnAKernel(t *testing.T) {
	for _, view := range []View{OriginView, SnapshotView} {
		part := func(ending string) []byte {
			return cowtest.Unpack(t, filepath.Join("..", "..", "testdata", "crash", "ext4-"+string(view)+ending+".gz"))
		}
		base, lower := part(".img"), openBytes(t, part(".log"))
		opt := Options{
			Origin: Region{Start: 0, Len: 16384}, COW: []Region{{Start: 16384, Len: 32768}}, Base: bytes.NewReader(base), BaseSize: int64(len(base)),
			FromMark: "frozen", Upper: openBytes(t, part("-upper.log")), UpperView: view, SnapshotWritten: view == SnapshotView, Reorder: 0,
		}
		swallowed, dropped, err := crashtest.Swallow(lower, "frozen", 16384, 8)
		if err != nil || dropped < 15 {
			t.Fatalf("%s: %d flushes dropped, %v", view, dropped, err)
		}
		r, err := Explore(context.Background(), lower, opt)
		if err != nil {
			t.Fatal(err)
		}
		if r.States < 1000 || r.CommonMarks < 6 || r.LostWriteStates > 0 || r.FirstFailure != nil {
			t.Errorf("on the %s: %d states, %d marks, %d lost, first %+v", view, r.States, r.CommonMarks, r.LostWriteStates, r.FirstFailure)
		}
		broken := openBytes(t, swallowed)
		if broken.Len() != lower.Len()-dropped || !broken.Complete() {
			t.Errorf("%d entries are left of %d, complete: %v", broken.Len(), lower.Len(), broken.Complete())
		}
		if r, err = Explore(context.Background(), broken, opt); err != nil {
			t.Fatal(err)
		}
		if r.LostWriteStates < 500 || r.CorruptStates+r.BrokenImageStates > 0 || r.FirstLost == nil || !strings.Contains(r.FirstLost.Why, "durable at the mark") {
			t.Errorf("on the %s, with flushes swallowed: %d of %d states lost, first %+v, %d broken", view, r.LostWriteStates, r.States, r.FirstLost, r.BrokenImageStates)
		}
		t.Logf("%s: %d dropped of %d entries; %d of %d states lost: %s", view, dropped, lower.Len(), r.LostWriteStates, r.States, r.FirstLost.Why)
	}
}
