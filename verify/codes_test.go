package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// with4K is a store with chunks of 4 KiB.
func with4K(exceptions ...cow.Exception) cowtest.Store {
	return cowtest.Store{Chunk: chunk4K, Exceptions: exceptions, DeviceChunks: 1000}
}

func headerOnly(h cow.Header) []byte { return append(h.AppendTo(nil), make([]byte, 8192)...) }

// badBlock is a store with one unreadable block.
type badBlock struct {
	image  []byte
	offset int64
}

func (b badBlock) ReadAt(p []byte, off int64) (int, error) {
	if off < b.offset+512 && off+int64(len(p)) > b.offset {
		return 0, syscall.EIO
	}
	return bytes.NewReader(b.image).ReadAt(p, off)
}

// TestCodes produces every code of the contract from a store. The golden files
// show the JSON of each.
func TestCodes(t *testing.T) {
	whole := func(s cowtest.Store) io.ReaderAt { return bytes.NewReader(s.Bytes()) }
	raw := func(b []byte) io.ReaderAt { return bytes.NewReader(b) }
	good := cow.NewHeader(8)
	change := func(f func(h *cow.Header)) cow.Header { h := good; f(&h); return h }
	invalid := with4K(cowtest.Canonical(chunk4K, 7, 8)...)
	invalid.Invalid = true
	stale := with4K(cowtest.Canonical(chunk4K, 7, 8)...)
	stale.Stale = []cow.Exception{{Old: 9, New: 4}, {}, {Old: 10, New: 5}}
	full := with4K(cowtest.Canonical(chunk4K, cowtest.Run(0, 256)...)...)
	full.DeviceChunks = 258
	tight := with4K(cowtest.Canonical(chunk4K, 7, 8)...)
	tight.DeviceChunks = 258

	lost := with4K(cowtest.Canonical(chunk4K, 7, 8)...).Bytes()
	clear(lost[:cow.HeaderSize])

	tests := []struct {
		code    Code
		store   io.ReaderAt
		size    int64 // 0: 1000 chunks
		opt     Options
		verdict Verdict
		counts  map[Code]uint64
	}{
		{BadMagic, raw([]byte("# some shell script\n")), 20, Options{}, Unrecognized, nil},
		{HeaderLost, raw(lost), 0, Options{}, Corrupt, nil},
		{UnsupportedVersion, raw(headerOnly(change(func(h *cow.Header) { h.Version = 2 }))), 8208, Options{}, Unrecognized, nil},
		{BadChunkSize, raw(headerOnly(change(func(h *cow.Header) { h.ChunkSize = 12 }))), 8208, Options{}, Corrupt, nil},
		{SnapshotInvalid, whole(invalid), 0, Options{}, Invalid, nil},
		{TruncatedArea, whole(full), 258 * 4096, Options{}, Corrupt, nil},
		{UnreadableArea, badBlock{with4K(cowtest.Canonical(chunk4K, cowtest.Run(0, 300)...)...).Bytes(), 4096}, 0, Options{}, Corrupt,
			map[Code]uint64{UnreadableArea: 1, LeakedChunks: 256}},
		{ChunkBeyondDevice, whole(with4K(cow.Exception{Old: 1, New: 2}, cow.Exception{Old: 2, New: 3}, cow.Exception{Old: 3, New: 1000})), 0, Options{}, Corrupt,
			map[Code]uint64{ChunkBeyondDevice: 1, LeakedChunks: 1000 - 4 - 3}},
		{ChunkNumberOverflow, whole(with4K(cow.Exception{Old: 1, New: math.MaxUint64})), 0, Options{}, Corrupt,
			map[Code]uint64{ChunkBeyondDevice: 1, ChunkNumberOverflow: 1}},
		{ChunkIsMetadata, whole(with4K(cow.Exception{Old: 1, New: 2}, cow.Exception{Old: 2, New: 1})), 0, Options{}, Corrupt, nil},
		{DuplicateCOWChunk, whole(with4K(cow.Exception{Old: 1, New: 2}, cow.Exception{Old: 2, New: 2}, cow.Exception{Old: 3, New: 2})), 0, Options{}, Corrupt,
			map[Code]uint64{DuplicateCOWChunk: 2}},
		{DuplicateOriginChunk, whole(with4K(cowtest.Canonical(chunk4K, 1, 2, 1)...)), 0, Options{}, Corrupt, nil},
		{OriginChunkBeyondOrigin, whole(with4K(cowtest.Canonical(chunk4K, 9, 10, 11)...)), 0, Options{OriginBytes: 10*4096 + 1}, Corrupt, nil},
		{StaleRecord, whole(stale), 0, Options{}, Stale, map[Code]uint64{StaleRecord: 2}},
		{NoRoomForTerminator, whole(tight), 258 * 4096, Options{}, Clean, nil},
		{LeakedChunks, whole(leakedByTheFix()), 4096 * 4096, Options{}, Leaked, map[Code]uint64{LeakedChunks: 5}},
	}
	for _, tt := range tests {
		t.Run(string(tt.code), func(t *testing.T) {
			if tt.size == 0 {
				tt.size = 1000 * 4096
			}
			if tt.counts == nil {
				tt.counts = map[Code]uint64{tt.code: 1}
			}
			r, err := Verify(context.Background(), tt.store, tt.size, tt.opt)
			if err != nil {
				t.Fatal(err)
			}
			if r.Verdict != tt.verdict {
				t.Errorf("verdict %s, want %s", r.Verdict, tt.verdict)
			}
			if diff := cmp.Diff(tt.counts, r.Counts); diff != "" {
				t.Errorf("counts (-want +got):\n%s", diff)
			}
			golden(t, filepath.Join("testdata", "golden", string(tt.code)+".json"), asJSON(t, r))
		})
	}
}

func TestNothingToReport(t *testing.T) {
	for name, image := range map[string][]byte{
		"clean": with4K(cowtest.Canonical(chunk4K, 9, 8, 7)...).Bytes(),
		"empty": make([]byte, 64<<10),
	} {
		r := judgeImage(t, image, Options{})
		if string(r.Verdict) != name || len(r.Findings) != 0 || len(r.Counts) != 0 {
			t.Errorf("%s: verdict %s, findings %+v, counts %v", name, r.Verdict, r.Findings, r.Counts)
		}
		golden(t, filepath.Join("testdata", "golden", name+".json"), asJSON(t, r))
	}
}

func asJSON(t *testing.T, r *Report) []byte {
	t.Helper()
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}
