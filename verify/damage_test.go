// Stores in which the judge finds something, and what the documents say about them.

package verify_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// storeUnderTest is a store, the judge's verdict, and what the kernel does:
// the result of activating it (a status line or an error), the content of some
// chunks of the snapshot, and the status line and that content after a write
// to the origin.
type storeUnderTest struct {
	code   verify.Code
	store  cowtest.Store
	header *cow.Header // instead of the store's
	bad    cow.Chunk   // fails all I/O
	block  int         // the COW device's logical block in bytes, if not the disk's
	read   []cow.Chunk // through the snapshot
	write  []cow.Chunk // of the origin
	want   []string
}

func exceptions(pairs ...cow.Chunk) (list []cow.Exception) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, cow.Exception{Old: pairs[i], New: pairs[i+1]})
	}
	return list
}

func storesUnderTest() []storeUnderTest {
	plain := func(list ...cow.Exception) cowtest.Store {
		return cowtest.Store{Chunk: 8, Exceptions: list, DeviceChunks: 400}
	}
	sized := func(s cowtest.Store, chunks uint64) cowtest.Store { s.DeviceChunks = chunks; return s }
	header := func(change func(h *cow.Header)) *cow.Header { h := cow.NewHeader(8); change(&h); return &h }
	full := cowtest.Canonical(8, cowtest.Run(0, 256)...)
	small := cowtest.Canonical(8, cowtest.Run(20, 10)...) // all chunks of a device of 12
	stale := plain(exceptions(20, 2, 21, 3)...)
	stale.Stale = exceptions(30, 9, 31, 10)
	return []storeUnderTest{
		{code: verify.BadMagic, store: plain(), header: header(func(h *cow.Header) { h.Magic = 0x12345678 }),
			want: []string{"refused: ENXIO"}},
		{code: verify.HeaderLost, store: plain(exceptions(20, 2)...), header: header(func(h *cow.Header) { *h = cow.Header{} }),
			read: []cow.Chunk{20}, write: []cow.Chunk{40},
			want: []string{"active: 16/3200 16", "chunk 20: the origin's", "after a write: 24/3200 16", "left behind: clean map[]"}},
		{code: verify.UnsupportedVersion, store: plain(), header: header(func(h *cow.Header) { h.Version = 2 }),
			want: []string{"refused: EINVAL"}},
		{code: verify.BadChunkSize, store: plain(), header: header(func(h *cow.Header) { h.ChunkSize = 12 }),
			want: []string{"refused: EINVAL"}},
		{code: verify.ChunkSizeMisfit, store: plain(), header: header(func(h *cow.Header) { h.ChunkSize = 2 }), block: 4096,
			want: []string{"refused: EINVAL"}},
		{code: verify.SnapshotInvalid, store: plain(exceptions(20, 2)...), header: header(func(h *cow.Header) { h.Valid = 0 }),
			read: []cow.Chunk{20, 21},
			want: []string{"active: Invalid", "chunk 20: input/output error", "chunk 21: input/output error"}},
		{code: verify.TruncatedArea, store: sized(plain(full...), 258), want: []string{"refused: EIO"}},
		{code: verify.UnreadableArea, store: plain(full...), bad: 258, want: []string{"refused: EIO"}},
		{code: verify.ChunkBeyondDevice, store: plain(exceptions(20, 2, 21, 1000)...),
			read: []cow.Chunk{20, 21}, write: []cow.Chunk{40},
			want: []string{"active: 8008/3200 16", "chunk 20: COW chunk 2", "chunk 21: input/output error", "after a write: Invalid",
				"left behind: invalid map[chunk-beyond-device:1 leaked-chunks:396 snapshot-invalid:1]"}},
		{code: verify.ChunkNumberOverflow, store: plain(exceptions(20, 1<<56|2)...), read: []cow.Chunk{20, 21, 22},
			want: []string{"active: 576460752303423512/3200 16", "chunk 20: COW chunk 2", "chunk 21: COW chunk 3", "chunk 22: the origin's"}},
		{code: verify.ChunkIsMetadata, store: plain(exceptions(20, 2, 21, 1)...),
			read: []cow.Chunk{20, 21}, write: []cow.Chunk{40},
			want: []string{"active: 24/3200 16", "chunk 20: COW chunk 2", "chunk 21: the area itself", "after a write: 32/3200 16",
				"left behind: corrupt map[chunk-is-metadata:1]"}},
		{code: verify.DuplicateCOWChunk, store: plain(exceptions(20, 2, 30, 2)...), read: []cow.Chunk{20, 30},
			want: []string{"active: 24/3200 16", "chunk 20: COW chunk 2", "chunk 30: COW chunk 2"}},
		{code: verify.DuplicateOriginChunk, store: plain(exceptions(20, 2, 20, 3)...), read: []cow.Chunk{20},
			want: []string{"active: 32/3200 16", "chunk 20: COW chunk 2"}},
		{code: verify.DuplicateOriginChunk, store: plain(exceptions(20, 2, 22, 3, 20, 4)...), read: []cow.Chunk{20},
			want: []string{"active: 40/3200 16", "chunk 20: COW chunk 2"}},
		{code: verify.OriginChunkBeyondOrigin, store: plain(exceptions(1<<40, 2)...), read: []cow.Chunk{20}, write: []cow.Chunk{40},
			want: []string{"active: 24/3200 16", "chunk 20: the origin's", "after a write: 32/3200 16", "left behind: clean map[]"}},
		{code: verify.StaleRecord, store: stale, read: []cow.Chunk{20, 30, 31}, write: []cow.Chunk{40},
			want: []string{"active: 32/3200 16", "chunk 20: COW chunk 2", "chunk 30: the origin's", "chunk 31: the origin's", "after a write: 40/3200 16",
				"left behind: leaked map[leaked-chunks:4]"}},
		{code: verify.NoRoomForTerminator, store: sized(plain(full[:255]...), 258), write: []cow.Chunk{255},
			want: []string{"active: 2056/2064 16", "after a write: Invalid", "left behind: invalid map[no-room-for-terminator:1 snapshot-invalid:1]"}},
		{code: verify.StoreFull, store: sized(plain(small...), 12), read: []cow.Chunk{20, 29}, write: []cow.Chunk{40},
			want: []string{"active: 96/96 16", "chunk 20: COW chunk 2", "chunk 29: COW chunk 11", "after a write: Invalid",
				"left behind: invalid map[snapshot-invalid:1 store-full:1]"}},
		{code: verify.LeakedChunks, store: plain(exceptions(20, 2, 21, 5)...), read: []cow.Chunk{20, 21}, write: []cow.Chunk{40},
			want: []string{"active: 48/3200 16", "chunk 20: COW chunk 2", "chunk 21: COW chunk 5", "after a write: 56/3200 16",
				"left behind: leaked map[leaked-chunks:2]"}},
	}
}

// kindsIn returns the codes that a document lists, sorted. Each match of rows has them
// as its first group, separated by commas.
func kindsIn(t *testing.T, path, from, to string, rows *regexp.Regexp) (kinds []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, part, found := strings.Cut(string(text), from)
	if !found {
		t.Fatalf("%s has no %q", path, from)
	}
	part, _, _ = strings.Cut(part, to)
	for _, row := range rows.FindAllStringSubmatch(part, -1) {
		for kind := range strings.SplitSeq(row[1], ",") {
			kinds = append(kinds, strings.Trim(kind, " `"))
		}
	}
	slices.Sort(kinds)
	return kinds
}

// What the documents say about the kernel is tested: the kernel tests have a store of
// each kind of finding that the documents list, and of no other.
func TestDocumentedKindsAreTested(t *testing.T) {
	var tested []string
	for _, s := range storesUnderTest() {
		tested = append(tested, string(s.code))
	}
	slices.Sort(tested)
	tested = slices.Compact(tested)
	page := kindsIn(t, "../docs/verify.md", "\n## What the kernel does with each finding\n", "\n## ", regexp.MustCompile(`(?m)^\| ([a-z, -]*-[a-z, -]*) \|`))
	manual := kindsIn(t, "../packaging/man/dmsnap-store.5", "\n.Sh DIAGNOSTICS\n", "\n.Sh ", regexp.MustCompile(`(?m)^\.It Cm (.*)$`))
	contract := kindsIn(t, "../docs/cli.md", "\n## verify\n", "\n## ", regexp.MustCompile("(?m)^\\| ([a-z`, -]+) \\| (?:error|warning|info) \\|"))
	for path, kinds := range map[string][]string{"docs/verify.md": page, "dmsnap-store(5)": manual, "docs/cli.md": contract} {
		if diff := cmp.Diff(tested, kinds); diff != "" {
			t.Errorf("the kernel tests and %s (-tested +listed):\n%s", path, diff)
		}
	}
}
