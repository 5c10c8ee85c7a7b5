// The naive judge: the contract of the verify command once more, in the
// plainest words there are, as a model for property tests. It keeps everything
// in maps and reads the image at random.

package verify

import (
	"bytes"
	"context"
	"crypto/sha256"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// figures are what a report says, without its words.
type figures struct {
	Verdict Verdict
	Usage   *Usage
	Leaks   Leaks
	Order   *Order
	Counts  map[Code]uint64
}

func figuresOf(r *Report) figures {
	return figures{Verdict: r.Verdict, Usage: r.Usage, Leaks: r.Leaks, Order: r.Order, Counts: r.Counts}
}

// naive judges an image that can be read.
func naive(image []byte, originBytes uint64) figures {
	f := figures{Leaks: Leaks{Ranges: []Range{}}, Counts: map[Code]uint64{}}
	h, err := cow.DecodeHeader(image)
	switch {
	case err != nil, h.Magic != cow.Magic && h.Magic != 0:
		f.Verdict, f.Counts[BadMagic] = Unrecognized, 1
		return f
	case h.Magic == 0:
		f.Verdict = Empty
		signed, err := blockdev.Probe(bytes.NewReader(image), int64(len(image)))
		head := image[:min(len(image), 8192)]
		switch {
		case err == nil && len(signed) == 0 && hasFirstArea(image):
			f.Verdict, f.Counts[HeaderLost] = Corrupt, 1
		case err != nil || len(signed) > 0 || len(bytes.Trim(head, "\x00")) > 0:
			f.Verdict, f.Counts[BadMagic] = Unrecognized, 1
		}
		return f
	case h.Version != 1:
		f.Verdict, f.Counts[UnsupportedVersion] = Unrecognized, 1
		return f
	}
	size := uint64(h.ChunkSize)
	if size == 0 || size&(size-1) != 0 || size > (1<<31-1)>>9 {
		f.Verdict, f.Counts[BadChunkSize] = Corrupt, 1
		return f
	}
	if h.Valid == 0 {
		f.Counts[SnapshotInvalid] = 1
	}
	f.exceptions(image, originBytes, size)
	switch {
	case h.Valid == 0:
		f.Verdict = Invalid
	case f.hasError():
		f.Verdict = Corrupt
	case f.Leaks.Chunks > 0:
		f.Verdict = Leaked
	case f.Counts[StaleRecord] > 0:
		f.Verdict = Stale
	default:
		f.Verdict = Clean
	}
	return f
}

// hasFirstArea reports whether, for some chunk size, the records after the first
// chunk are exceptions.
func hasFirstArea(image []byte) bool {
	for chunk := uint64(512); chunk <= 1<<30 && 3*chunk <= uint64(len(image)); chunk *= 2 {
		var list []cow.Exception
		sound, ended := true, false
		for at := chunk; at < chunk+min(chunk, 4096); at += 16 {
			r := cow.DecodeException(image[at:])
			switch old, new := uint64(r.Old), uint64(r.New); {
			case old == 0 && new == 0:
				ended = true
			case new < 2, new >= uint64(len(image))/chunk, (new-1)%(chunk/16+1) == 0, old > math.MaxInt64/chunk:
				sound = false
			case !ended:
				for _, e := range list {
					sound = sound && e.Old != r.Old && e.New != r.New
				}
				list = append(list, r)
			}
		}
		if sound && len(list) > 0 {
			return true
		}
	}
	return false
}

func (f *figures) hasError() bool {
	harmless := map[Code]bool{StaleRecord: true, NoRoomForTerminator: true, LeakedChunks: true, StoreFull: true}
	for c := range f.Counts {
		if !harmless[c] {
			return true
		}
	}
	return false
}

func (f *figures) exceptions(image []byte, originBytes, chunkSectors uint64) {
	var (
		chunk    = chunkSectors * 512
		e        = chunk / 16
		device   = uint64(len(image)) / chunk
		next     = uint64(2)
		last     uint64
		news     = map[uint64]bool{}
		olds     = map[uint64]bool{}
		u        = &Usage{TotalSectors: cow.Sectors(len(image) / 512)}
		order    = &Order{Canonical: true}
		metadata = func(c uint64) bool { return c == 0 || (c-1)%(e+1) == 0 }
	)
	f.Usage, f.Order = u, order
	for area, ended := uint64(0), false; !ended; area++ {
		place := 1 + area*(e+1)
		if place >= device {
			f.Counts[TruncatedArea]++
			break
		}
		u.Areas++
		for slot := range e {
			r := cow.DecodeException(image[place*chunk+slot*16:])
			old, new := uint64(r.Old), uint64(r.New)
			switch {
			case ended && new != 0:
				f.Counts[StaleRecord]++
				continue
			case new == 0:
				ended = true
				continue
			}
			k := u.Exceptions
			if new != 2+k+k/e && order.Canonical {
				order.Canonical, order.FirstDeviation = false, &k
			}
			if k > 0 && new < last {
				order.Descents++
			}
			last = new
			u.Exceptions++
			if next <= new {
				next = new + 1
			}
			if new >= device {
				f.Counts[ChunkBeyondDevice]++
				if new >= 1<<56 {
					f.Counts[ChunkNumberOverflow]++
				}
			} else {
				if metadata(new) {
					f.Counts[ChunkIsMetadata]++
				}
				if news[new] {
					f.Counts[DuplicateCOWChunk]++
				}
				news[new] = true
			}
			if originBytes > 0 && old >= (originBytes+chunk-1)/chunk {
				f.Counts[OriginChunkBeyondOrigin]++
			}
			if olds[old] {
				f.Counts[DuplicateOriginChunk]++
			}
			olds[old] = true
		}
		if ended && 1+(area+1)*(e+1) == device {
			f.Counts[NoRoomForTerminator]++
		}
	}
	if next%(e+1) == 1 {
		next++
	}
	if u.Exceptions > 0 && next == device {
		f.Counts[StoreFull]++
	}
	u.NextFreeChunk = cow.Chunk(next)
	u.AllocatedSectors = cow.Sectors(next * chunkSectors)
	u.MetadataSectors = cow.Sectors((u.Areas + 1) * chunkSectors)
	for c := uint64(2); c < min(next, device); c++ {
		if metadata(c) || news[c] {
			continue
		}
		f.Leaks.Chunks++
		f.Leaks.Bytes += int64(chunk)
		f.Counts[LeakedChunks]++
		if n := len(f.Leaks.Ranges); n > 0 && uint64(f.Leaks.Ranges[n-1].Last)+1 == c {
			f.Leaks.Ranges[n-1].Last++
		} else {
			f.Leaks.Ranges = append(f.Leaks.Ranges, Range{cow.Chunk(c), cow.Chunk(c)})
		}
	}
}

// anyStore draws stores as kernels, crashes and accidents make them.
func anyStore(t *rapid.T) []byte {
	chunk := cow.Sectors(1 << rapid.IntRange(0, 2).Draw(t, "chunk sectors, as a power of two"))
	n := rapid.IntRange(0, 300).Draw(t, "exceptions")
	s := cowtest.Store{Chunk: chunk, Exceptions: cowtest.Canonical(chunk, cowtest.Run(0, n)...)}
	s.Invalid = rapid.IntRange(0, 9).Draw(t, "invalid if 0") == 0
	full := uint64(s.Size())

	if rapid.Bool().Draw(t, "shuffled") && n > 0 {
		from := rapid.IntRange(0, n-1).Draw(t, "shuffle from")
		to := rapid.IntRange(from, n).Draw(t, "shuffle to")
		tail := rapid.Permutation(s.Exceptions[from:to]).Draw(t, "order")
		copy(s.Exceptions[from:to], tail)
		lost := rapid.IntRange(0, n).Draw(t, "lost behind")
		s.Exceptions = s.Exceptions[:lost]
	}
	for range rapid.IntRange(0, 3).Draw(t, "accidents") {
		if len(s.Exceptions) == 0 {
			break
		}
		i := rapid.IntRange(0, len(s.Exceptions)-1).Draw(t, "accident at")
		if rapid.Bool().Draw(t, "to the old chunk") {
			s.Exceptions[i].Old = anyWildChunk(uint64(n)).Draw(t, "old")
		} else {
			s.Exceptions[i].New = anyWildChunk(uint64(n)).Draw(t, "new")
		}
	}
	if rapid.Bool().Draw(t, "stale records") {
		s.Stale = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cow.Exception {
			return cow.Exception{Old: anyWildChunk(9).Draw(t, "old"), New: anyWildChunk(9).Draw(t, "new")}
		}), 0, 3).Draw(t, "stale")
		room := int(chunk)*32 - len(s.Exceptions)%(int(chunk)*32) - 1
		s.Stale = s.Stale[:min(room, len(s.Stale))]
	}
	s.DeviceChunks = full/uint64(chunk)/512 + rapid.Uint64Range(0, 5).Draw(t, "room")
	image := s.Bytes()
	if rapid.IntRange(0, 3).Draw(t, "cut if 0") == 0 {
		image = image[:rapid.IntRange(0, len(image)).Draw(t, "cut at")]
	}
	return image
}

func anyWildChunk(n uint64) *rapid.Generator[cow.Chunk] {
	return rapid.Map(rapid.OneOf(
		rapid.Uint64Range(0, n+5),
		rapid.Uint64Range(0, 2000),
		rapid.SampledFrom([]uint64{0, 1, 34, 1 << 31, 1 << 55, 1<<56 - 1, 1 << 56, math.MaxUint64 - 1, math.MaxUint64}),
	), func(n uint64) cow.Chunk { return cow.Chunk(n) })
}

func TestVerifyAgainstNaiveJudge(t *testing.T) {
	seen := map[Code]bool{}
	rapid.Check(t, func(t *rapid.T) {
		image := anyStore(t)
		origin := rapid.SampledFrom([]uint64{0, 1, 512, 40 * 512, 1 << 40}).Draw(t, "origin bytes")
		before := sha256.Sum256(image)
		r, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{OriginBytes: int64(origin), MemoryBytes: 1})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(naive(image, origin), figuresOf(r)); diff != "" {
			t.Fatalf("figures (-naive +got):\n%s", diff)
		}
		if sha256.Sum256(image) != before {
			t.Fatal("the store was changed")
		}
		for c := range r.Counts {
			seen[c] = true
		}
	})
	for _, c := range []Code{SnapshotInvalid, TruncatedArea, ChunkBeyondDevice, ChunkIsMetadata, DuplicateCOWChunk, DuplicateOriginChunk,
		OriginChunkBeyondOrigin, ChunkNumberOverflow, StaleRecord, NoRoomForTerminator, LeakedChunks} {
		if !seen[c] {
			t.Logf("no store had a %s", c)
		}
	}
}

// TestAnyByteMayChange: a store with one byte changed is judged as the naive
// judge does, without a panic.
func TestAnyByteMayChange(t *testing.T) {
	image := cowtest.Store{Chunk: 1, Exceptions: cowtest.Canonical(1, cowtest.Run(5, 70)...)}.Bytes()
	rapid.Check(t, func(t *rapid.T) {
		changed := bytes.Clone(image)
		at := rapid.OneOf(rapid.IntRange(0, 15), rapid.IntRange(512, 1023), rapid.IntRange(0, len(image)-1)).Draw(t, "offset")
		changed[at] = rapid.Byte().Draw(t, "byte")
		r, err := Verify(context.Background(), bytes.NewReader(changed), int64(len(changed)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(naive(changed, 0), figuresOf(r)); diff != "" {
			t.Fatalf("byte %d (-naive +got):\n%s", at, diff)
		}
	})
}
