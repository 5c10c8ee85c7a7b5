package crash

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// largeLog is a log of any size that takes no memory: chunks of 16 KiB are
// copied, committed and overwritten one after the other, each with a flush
// between copy and commit. Each block contains its number.
type largeLog struct {
	chunks   uint64
	geometry cow.Geometry
	base     bool // the device before the first entry, and not the log
}

const largeChunk = 32 // sectors

// Layout: the super block, an entry with the header, then for each chunk the
// entries copy, flush, commit and write.
const (
	largeHead  = 512 + 512 + 512
	largeGroup = 4*512 + 3*largeChunk*512
)

func (l *largeLog) store() uint64 { return l.chunks * largeChunk } // sector
func (l *largeLog) size() uint64  { return largeHead + l.chunks*largeGroup }
func (l *largeLog) entries() int  { return int(1 + 4*l.chunks) }
func (l *largeLog) options() Options {
	return Options{
		Origin: Region{0, cow.Sectors(l.store())},
		COW:    []Region{{cow.Sectors(l.store()), cow.Sectors((l.chunks + l.chunks/l.geometry.ExceptionsPerArea() + 4) * largeChunk)}},
		Base:   &largeLog{chunks: l.chunks, geometry: l.geometry, base: true}, BaseSize: int64(l.store()) * 512,
	}
}

// sector fills b with a sector of the log or of the base.
func (l *largeLog) sector(n uint64, b []byte) {
	clear(b)
	switch {
	case l.base:
		binary.LittleEndian.PutUint64(b, n+1)
	case n == 0:
		binary.LittleEndian.PutUint64(b, 0x6a736677736872)
		binary.LittleEndian.PutUint64(b[8:], 1)
		binary.LittleEndian.PutUint64(b[16:], uint64(l.entries()))
		binary.LittleEndian.PutUint32(b[24:], 512)
	case n == 1:
		l.entry(b, l.store(), 1, 0)
	case n == 2:
		copy(b, cow.NewHeader(largeChunk).AppendTo(nil))
	default:
		l.group((n-3)/(largeGroup/512), (n-3)%(largeGroup/512), b)
	}
}

func (l *largeLog) entry(b []byte, sector, sectors uint64, flags logwrites.Flags) {
	binary.LittleEndian.PutUint64(b, sector)
	binary.LittleEndian.PutUint64(b[8:], sectors)
	binary.LittleEndian.PutUint64(b[16:], uint64(flags))
}

// group fills b with sector n of what is logged of chunk k.
func (l *largeLog) group(k, n uint64, b []byte) {
	per := l.geometry.ExceptionsPerArea()
	switch data := n % (largeChunk + 1); {
	case n == 0:
		l.entry(b, l.store()+uint64(l.geometry.DataChunk(k))*largeChunk, largeChunk, 0)
	case n <= largeChunk:
		binary.LittleEndian.PutUint64(b, k*largeChunk+n) // what the base has
	case n == largeChunk+1:
		l.entry(b, 0, 0, logwrites.Flush|logwrites.FUA)
	case n == largeChunk+2:
		l.entry(b, l.store()+uint64(l.geometry.AreaChunk(k/per))*largeChunk, largeChunk, logwrites.FUA)
	case n <= 2*largeChunk+2:
		first := (n - largeChunk - 3) * 32
		for slot := range uint64(32) {
			if in := first + slot; in <= k%per {
				at := k - k%per + in
				copy(b[slot*16:], cow.Exception{Old: cow.Chunk(at), New: l.geometry.DataChunk(at)}.AppendTo(nil))
			}
		}
	case n == 2*largeChunk+3:
		l.entry(b, k*largeChunk, largeChunk, 0)
	default:
		binary.LittleEndian.PutUint64(b, math.MaxUint64-k*largeChunk-data)
	}
}

// ReadAt implements io.ReaderAt.
func (l *largeLog) ReadAt(p []byte, off int64) (int, error) {
	var sector [512]byte
	for done := 0; done < len(p); {
		at := uint64(off) + uint64(done)
		if !l.base && at >= l.size() {
			return done, io.EOF
		}
		l.sector(at/512, sector[:])
		done += copy(p[done:], sector[at%512:])
	}
	return len(p), nil
}

// TestLargeLog: exploring takes memory for one epoch and an index of the log,
// and its time grows linearly with the log, not with its square. LARGE_ENTRIES
// is the number of entries; 1000000 take 11.7 GiB.
func TestLargeLog(t *testing.T) {
	entries := thorough.Of(5_000, 100_000)
	if text := os.Getenv("LARGE_ENTRIES"); text != "" {
		entries, _ = strconv.Atoi(text)
	}
	g, err := cow.NewGeometry(largeChunk)
	if err != nil {
		t.Fatal(err)
	}
	l := &largeLog{chunks: uint64(entries / 4), geometry: g}
	begun := time.Now()
	log, err := logwrites.Open(l, int64(l.size()))
	if err != nil || log.Len() != l.entries() {
		t.Fatalf("%d entries, %v", log.Len(), err)
	}
	opt := l.options()
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as the command does
	peak := uint64(0)
	opt.Progress = func(int, int, uint64) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapInuse+m.StackInuse)
	}
	r, err := Explore(context.Background(), log, opt)
	if err != nil {
		t.Fatal(err)
	}
	if r.FirstFailure != nil || r.LintViolations > 0 || len(r.Doubts) > 0 || r.Commits != int(l.chunks) {
		t.Errorf("%d commits; first failure %+v, violations %v, doubts %v", r.Commits, r.FirstFailure, r.Violations, r.Doubts)
	}
	t.Logf("%d entries, %d MiB: %d states, %v, at most %d MiB of memory in use", r.Entries, l.size()>>20, r.States, time.Since(begun).Round(time.Millisecond), peak>>20)
	if limit := uint64(64<<20) + uint64(entries)*192; peak > limit {
		t.Errorf("%d bytes of memory in use, more than %d", peak, limit)
	}
}
