package verify

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// TestRunsJoinOverMetadata: chunks 34 and 67 are areas, with chunks of 512
// bytes: 32 exceptions to an area, of which the first lies in chunk 1.
func TestRunsJoinOverMetadata(t *testing.T) {
	g, _ := cow.NewGeometry(1)
	tests := []struct {
		runs []struct{ First, End cow.Chunk }
		want []LeakRun
	}{
		{nil, nil},
		{[]struct{ First, End cow.Chunk }{{34, 35}}, nil},
		{[]struct{ First, End cow.Chunk }{{0, 2}}, nil},
		{[]struct{ First, End cow.Chunk }{{30, 34}, {35, 38}}, []LeakRun{{30, 37, 7}}},
		{[]struct{ First, End cow.Chunk }{{30, 34}, {36, 38}}, []LeakRun{{30, 33, 4}, {36, 37, 2}}},
		{[]struct{ First, End cow.Chunk }{{30, 36}}, []LeakRun{{30, 35, 5}}},
		{[]struct{ First, End cow.Chunk }{{2, 34}, {35, 67}, {68, 70}, {71, 72}}, []LeakRun{{2, 69, 66}, {71, 71, 1}}},
	}
	for _, tt := range tests {
		f := runFinder{geometry: g}
		for _, r := range tt.runs {
			f.add(r.First, r.End)
		}
		f.settle()
		if diff := cmp.Diff(tt.want, f.largest); diff != "" || f.count != uint64(len(tt.want)) {
			t.Errorf("%v: %d runs (-want +got):\n%s", tt.runs, f.count, diff)
		}
	}
}

// TestLargestRunsAreKept of more than there is room for, in order.
func TestLargestRunsAreKept(t *testing.T) {
	g, _ := cow.NewGeometry(1024)
	f := runFinder{geometry: g}
	var want []LeakRun
	at := cow.Chunk(2)
	for i := range cow.Chunk(3 * MaxLeakRuns) {
		n := 1 + i*7%(3*MaxLeakRuns) // each size once
		f.add(at, at+n)
		if n > 2*MaxLeakRuns {
			want = append(want, LeakRun{at, at + n - 1, uint64(n)})
		}
		at += n + 1
	}
	f.settle()
	if diff := cmp.Diff(want, f.largest); diff != "" || f.count != 3*MaxLeakRuns {
		t.Errorf("%d runs (-want +got):\n%s", f.count, diff)
	}
}
