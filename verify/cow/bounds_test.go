package cow

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
)

// TestAreas: an area is on a device if all its chunks are.
func TestAreas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := anyGeometry(t)
		b := Bounds{Geometry: g, DeviceChunks: rapid.OneOf(rapid.Uint64Range(0, 600), rapid.Uint64Range(0, math.MaxUint64/g.bytes())).Draw(t, "chunks")}
		n := b.Areas()
		if n > 0 && !b.OnDevice(g.AreaChunk(n-1)) {
			t.Fatalf("area %d of %d is not on the device", n-1, n)
		}
		if b.OnDevice(g.AreaChunk(n)) {
			t.Fatalf("the device holds area %d, too", n)
		}
	})
}

func TestFits(t *testing.T) {
	g := mustGeometry(t, 8)
	b := g.BoundsOf(300*4096+5, 10*4096+1)
	tests := []struct {
		e    Exception
		want bool
	}{
		{Exception{10, 2}, true}, {Exception{11, 2}, false}, {Exception{0, 299}, true}, {Exception{0, 300}, false},
		{Exception{0, 0}, false}, {Exception{0, 1}, false}, {Exception{0, 258}, false}, {Exception{0, 1 << 60}, false},
	}
	for _, tt := range tests {
		if got := b.Fits(tt.e); got != tt.want {
			t.Errorf("Fits(%+v) = %v", tt.e, got)
		}
	}
	b.OriginChunks = 0
	if !b.Fits(Exception{1 << 60, 2}) {
		t.Error("an origin of unknown size lacks a chunk")
	}
	if b.Allocated(299) != 299 || b.Allocated(math.MaxUint64) != 300 {
		t.Error("chunks are allocated that the device has not, or others are not")
	}
}
