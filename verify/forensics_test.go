package verify

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

func ptr[T any](v T) *T { return &v }

// leakyKernel is what a kernel without the leak fix does with a store: it
// commits exceptions in the order in which copies finish.
type leakyKernel struct {
	geometry cow.Geometry
	disk     []cow.Exception // committed
	memory   []cow.Exception // finished, and not committed
	flying   []cow.Exception
	next     cow.Chunk
	old      cow.Chunk
}

func (k *leakyKernel) boot() {
	k.next = 2
	for _, e := range k.disk {
		k.next = max(k.next, e.New+1)
	}
	k.next = k.geometry.SkipMetadata(k.next)
	k.memory, k.flying = nil, nil
}

func (k *leakyKernel) write() {
	k.flying = append(k.flying, cow.Exception{Old: k.old, New: k.next})
	k.old, k.next = k.old+1, k.geometry.SkipMetadata(k.next+1)
}

// finish finishes copy i of those under way, and commits if the kernel would.
func (k *leakyKernel) finish(i int) {
	k.memory = append(k.memory, k.flying[i])
	k.flying = append(k.flying[:i:i], k.flying[i+1:]...)
	full := (len(k.disk)+len(k.memory))%int(k.geometry.ExceptionsPerArea()) == 0
	if full || len(k.flying) == 0 {
		k.disk, k.memory = append(k.disk, k.memory...), nil
	}
}

// TestGroupsAreCrashes: in stores of a leaky kernel that crashed several
// times, each crash that leaked is a separate group.
func TestGroupsAreCrashes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, err := cow.NewGeometry(1)
		if err != nil {
			t.Fatal(err)
		}
		k := &leakyKernel{geometry: g, old: 7}
		crashes, leaked := uint64(0), uint64(0)
		const lag = 16 // no copy is overtaken by more than this, which is under an area
		for range rapid.IntRange(1, 5).Draw(t, "boots") {
			k.boot()
			age := map[cow.Chunk]int{}
			for range rapid.IntRange(0, 160).Draw(t, "steps") {
				if len(k.flying) < 8 && rapid.Bool().Draw(t, "write") {
					k.write()
					continue
				}
				if len(k.flying) == 0 {
					continue
				}
				i := rapid.IntRange(0, len(k.flying)-1).Draw(t, "finished")
				if age[k.flying[0].New] >= lag {
					i = 0
				}
				k.finish(i)
				for _, e := range k.flying {
					age[e.New]++
				}
			}
			lost := leakedBy(k)
			if lost > leaked {
				crashes++
			}
			leaked = lost
		}
		r := judgeImage(t, cowtest.Store{Chunk: 1, Exceptions: k.disk, DeviceChunks: 2000}.Bytes(), Options{})
		f := r.Forensics
		if r.Leaks.Chunks != leaked || f.CrashesAtLeast != crashes || f.UnexplainedChunks != 0 {
			t.Fatalf("leaked %d, forensics %+v; want %d chunks in %d crashes", r.Leaks.Chunks, f, leaked, crashes)
		}
		sum := uint64(0)
		for i, group := range f.Groups {
			sum += group.Chunks
			if group.Exceptions%g.ExceptionsPerArea() != 0 || group.FirstChunk > group.LastChunk ||
				i > 0 && group.FirstChunk <= f.Groups[i-1].LastChunk {
				t.Fatalf("group %d of %+v", i, f.Groups)
			}
			inside := uint64(0)
			for _, leak := range r.Leaks.Ranges {
				if leak.First >= group.FirstChunk && leak.Last <= group.LastChunk {
					inside += leak.Chunks()
				}
			}
			if inside != group.Chunks {
				t.Fatalf("%d leaked chunks within group %+v", inside, group)
			}
		}
		if sum != leaked {
			t.Fatalf("groups of %d chunks in all, leaked %d", sum, leaked)
		}
	})
}

// TestThreeCrashes: at each of three crashes the first three copies of an area
// are under way when the area fills up.
func TestThreeCrashes(t *testing.T) {
	g, err := cow.NewGeometry(1)
	if err != nil {
		t.Fatal(err)
	}
	k := &leakyKernel{geometry: g}
	for range 3 {
		k.boot()
		for range 35 {
			k.write()
		}
		for range 32 {
			k.finish(3)
		}
	}
	r := judgeImage(t, cowtest.Store{Chunk: 1, Exceptions: k.disk, DeviceChunks: 200}.Bytes(), Options{})
	want := &Forensics{
		LeakyKernel: ptr(true), CrashesAtLeast: 3,
		Groups: []Group{
			{Exceptions: 32, Area: 0, FirstChunk: 2, LastChunk: 37, Chunks: 3, Bytes: 3 * 512},
			{Exceptions: 64, Area: 1, FirstChunk: 38, LastChunk: 73, Chunks: 3, Bytes: 3 * 512},
			{Exceptions: 96, Area: 2, FirstChunk: 74, LastChunk: 109, Chunks: 3, Bytes: 3 * 512},
		},
	}
	if diff := cmp.Diff(want, r.Forensics); diff != "" {
		t.Errorf("forensics (-want +got):\n%s", diff)
	}
}

// leakedBy counts what is lost of the committed list.
func leakedBy(k *leakyKernel) uint64 {
	end := cow.Chunk(2)
	for _, e := range k.disk {
		end = max(end, e.New+1)
	}
	return k.geometry.DataChunksIn(2, end) - uint64(len(k.disk))
}

func TestForensics(t *testing.T) {
	canonical := cowtest.Canonical(chunk4K, cowtest.Run(0, 600)...)
	swapped := cowtest.Canonical(chunk4K, cowtest.Run(0, 10)...)
	swapped[3], swapped[7] = swapped[7], swapped[3]
	tests := []struct {
		name  string
		store cowtest.Store
		want  *Forensics
	}{
		{"a fixed kernel's", with4K(canonical...), &Forensics{LeakyKernel: ptr(false), Groups: []Group{}}},
		{"a leaky kernel's that leaked nothing", with4K(swapped...), &Forensics{LeakyKernel: ptr(true), Groups: []Group{}}},
		{"the worked example of the fix", leakedByTheFix(), &Forensics{
			LeakyKernel: ptr(true), CrashesAtLeast: 1,
			Groups: []Group{{Exceptions: 256, Area: 0, FirstChunk: 2, LastChunk: 263, Chunks: 5, Bytes: 5 * 4096}},
		}},
		{"merged in part: a hole below the end of a list that ends within an area", with4K(append(canonical[:100:100], canonical[105:110]...)...),
			&Forensics{LeakyKernel: ptr(true), Groups: []Group{}, UnexplainedChunks: 5}},
		{"CVE-2013-4299", with4K(append(canonical[:100:100], cow.Exception{Old: 700, New: 258})...),
			&Forensics{CVE20134299: 1, Groups: []Group{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := judgeImage(t, tt.store.Bytes(), Options{})
			if diff := cmp.Diff(tt.want, r.Forensics); diff != "" {
				t.Errorf("forensics (-want +got):\n%s", diff)
			}
		})
	}
}

// TestGroupsAreBounded: a store that leaks in every area has no more groups
// than a report may have, and the groups contain all chunks.
func TestGroupsAreBounded(t *testing.T) {
	g, _ := cow.NewGeometry(1)
	var list []cow.Exception
	for k := range uint64(32 * (MaxGroups + 10)) {
		list = append(list, cow.Exception{Old: cow.Chunk(k), New: g.DataChunk(k + k/32)})
	}
	r := judgeImage(t, cowtest.Store{Chunk: 1, Exceptions: list}.Bytes(), Options{})
	sum := uint64(0)
	for _, group := range r.Forensics.Groups {
		sum += group.Chunks
	}
	if n := len(r.Forensics.Groups); n != MaxGroups || sum != r.Leaks.Chunks || sum == 0 {
		t.Errorf("%d groups of %d chunks, leaked %d", n, sum, r.Leaks.Chunks)
	}
}
