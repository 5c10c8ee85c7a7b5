package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// moving is a store that the kernel writes to while it is read, with the
// kernel's status at each moment.
type moving struct {
	images  [][]byte // one for each moment; the last one stays
	moments []Moment // one for each question; the last one stays
	asked   int
	mu      sync.Mutex
	reads   map[int64]int // by offset
}

func (m *moving) ReadAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	m.reads[off]++
	m.mu.Unlock()
	return bytes.NewReader(m.images[min(m.asked, len(m.images))-1]).ReadAt(p, off)
}

func (m *moving) look(context.Context) (Moment, error) {
	m.asked++
	return m.moments[min(m.asked, len(m.moments))-1], nil
}

func TestLiveStores(t *testing.T) {
	clean := with4K(cowtest.Canonical(chunk4K, 7, 8)...).Bytes()
	holes := with4K(cow.Exception{Old: 7, New: 2}, cow.Exception{Old: 8, New: 5}).Bytes()
	torn := with4K(cowtest.Canonical(chunk4K, 7)...)
	torn.Stale = []cow.Exception{{Old: 9, New: 4}}
	stale := torn.Bytes()
	both := with4K(cow.Exception{Old: 7, New: 2}, cow.Exception{Old: 8, New: 5})
	both.Stale = torn.Stale
	damaged := with4K(cowtest.Canonical(chunk4K, 7, 8, 7)...).Bytes()

	quiet, busy := Moment{Status: "a", Quiet: true}, Moment{Status: "a"}
	leaky := func(m Moment) Moment { m.Leaky = true; return m }
	merging := func(m Moment) Moment { m.Merging = true; return m }

	tests := []struct {
		name    string
		images  [][]byte
		moments []Moment
		verdict Verdict
		want    Live
	}{
		{"at rest", [][]byte{clean}, []Moment{quiet}, Clean, Live{"a", 1, true, 0, false}},
		{"the status line changes once", [][]byte{clean}, []Moment{quiet, {Status: "b", Quiet: true}}, Clean, Live{"b", 2, true, 0, false}},
		{"writes are in flight before", [][]byte{clean}, []Moment{busy, quiet}, Clean, Live{"a", 2, true, 0, false}},
		{"and after", [][]byte{clean}, []Moment{quiet, busy, quiet}, Clean, Live{"a", 3, true, 0, false}},
		{"a torn area is read again", [][]byte{stale, clean}, []Moment{busy, quiet}, Clean, Live{"a", 2, true, 0, false}},
		{"what stands there at rest is believed", [][]byte{stale}, []Moment{busy, quiet}, Stale, Live{"a", 2, true, 0, false}},
		{"what may be torn never", [][]byte{stale}, []Moment{busy}, Unsettled, Live{"a", 12, false, 0, false}},
		{"always moving and always clean", [][]byte{clean}, []Moment{busy}, Clean, Live{"a", 12, false, 0, false}},
		{"damage is no work of the moment", [][]byte{damaged}, []Moment{busy}, Corrupt, Live{"a", 12, false, 0, false}},

		{"holes on a fixed kernel are leaks", [][]byte{holes}, []Moment{busy}, Leaked, Live{"a", 12, false, 0, false}},
		{"on a leaky one nobody can tell", [][]byte{holes}, []Moment{leaky(busy)}, Unsettled, Live{"a", 12, false, 2, false}},
		{"unless it is at rest", [][]byte{holes}, []Moment{leaky(busy), leaky(quiet)}, Leaked, Live{"a", 2, true, 0, false}},
		{"nor with torn records", [][]byte{both.Bytes()}, []Moment{leaky(busy)}, Unsettled, Live{"a", 12, false, 2, false}},
		{"without holes all is well", [][]byte{clean}, []Moment{leaky(busy)}, Clean, Live{"a", 12, false, 0, false}},
		{"a merge makes holes on any kernel", [][]byte{holes}, []Moment{merging(busy)}, Unsettled, Live{"a", 2, false, 2, true}},
		{"which stay when it stops", [][]byte{holes}, []Moment{merging(quiet)}, Unsettled, Live{"a", 1, true, 2, true}},
		{"a merge of a store without holes", [][]byte{clean}, []Moment{merging(busy)}, Clean, Live{"a", 2, false, 0, true}},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) { // the pauses take no time
			m := &moving{images: tt.images, moments: tt.moments, reads: map[int64]int{}}
			r, err := Verify(context.Background(), m, 1000*4096, Options{Live: m.look})
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(&tt.want, r.Live); diff != "" || r.Verdict != tt.verdict {
				t.Errorf("%s: verdict %s, want %s; live (-want +got):\n%s", tt.name, r.Verdict, tt.verdict, diff)
			}
			if undecided := r.Live.InFlightChunks > 0; undecided && (r.Leaks.Chunks > 0 || r.Counts[LeakedChunks] > 0 || r.Forensics.UnexplainedChunks > 0) {
				t.Errorf("%s: what may be in flight is said to have leaked: %+v, %v, %+v", tt.name, r.Leaks, r.Counts, r.Forensics)
			}
		})
	}
}

// TestLiveStoresAreReadAgainAtTheirTail: full areas are read once, no matter
// how often the store changes.
func TestLiveStoresAreReadAgainAtTheirTail(t *testing.T) {
	const area1 = (1 + 257) * 4096
	image := with4K(cowtest.Canonical(chunk4K, cowtest.Run(0, 300)...)...).Bytes()
	synctest.Test(t, func(t *testing.T) {
		m := &moving{images: [][]byte{image}, moments: []Moment{{Status: "a", Metadata: 3 * 8}}, reads: map[int64]int{}}
		r, err := Verify(context.Background(), m, 1000*4096, Options{Live: m.look})
		if err != nil || r.Verdict != Clean || r.Usage.Exceptions != 300 {
			t.Fatalf("%+v, error %v", r, err)
		}
		if full, tail := m.reads[4096], m.reads[area1]; full != 1 || tail <= liveAttempts {
			t.Errorf("the full area was read %d times, the one that is being filled %d times", full, tail)
		}
	})
}

// filling is a store whose first area fills up while it is read. Before that,
// the kernel zeroes the second one.
type filling struct {
	before, after []byte
	full          atomic.Bool
}

func (f *filling) ReadAt(p []byte, off int64) (int, error) {
	if off == 4096 {
		f.full.Store(true)
	}
	if f.full.Load() {
		return bytes.NewReader(f.after).ReadAt(p, off)
	}
	return bytes.NewReader(f.before).ReadAt(p, off)
}

// TestLiveStoresAreReadInOrder: the content of an area before the list reached
// it is never taken for exceptions.
func TestLiveStoresAreReadInOrder(t *testing.T) {
	const area1 = (1 + 257) * 4096
	after := with4K(cowtest.Canonical(chunk4K, cowtest.Run(0, 256)...)...)
	after.DeviceChunks = 1000
	before := bytes.Clone(after.Bytes())
	for i := range 4096 {
		before[area1+i] = 0xee
	}
	f := &filling{before: before, after: bytes.Clone(after.Bytes())}
	r, err := Verify(context.Background(), f, 1000*4096, Options{Live: func(context.Context) (Moment, error) {
		return Moment{Status: "a", Quiet: true}, nil
	}})
	if err != nil || r.Verdict != Clean || r.Usage.Exceptions != 256 {
		t.Errorf("%+v, error %v", r, err)
	}
}

// hugeStore is a store of zeros except for its header and its first records.
type hugeStore struct{ header, records []byte }

func (s hugeStore) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	switch off {
	case 0:
		copy(p, s.header)
	case hugeChunk:
		copy(p, s.records)
	}
	return len(p), nil
}

const hugeChunk = 2 * mostFrozen

// TestLiveStoresOfHugeChunks: an area that is too large for a copy is read as a
// stream, and not trusted if the store changed meanwhile.
func TestLiveStoresOfHugeChunks(t *testing.T) {
	image := hugeStore{
		cow.Header{Magic: cow.Magic, Valid: 1, Version: 1, ChunkSize: hugeChunk / 512}.AppendTo(nil),
		cow.Exception{Old: 1, New: 4}.AppendTo(nil),
	}
	rest, moved := Moment{Status: "a", Quiet: true, Leaky: true}, Moment{Status: "b", Leaky: true}
	for verdict, moments := range map[Verdict][]Moment{Leaked: {rest}, Unsettled: {rest, rest, moved}} {
		m := &moving{moments: moments}
		r, err := Verify(context.Background(), image, 5*hugeChunk, Options{Live: m.look})
		if err != nil || r.Verdict != verdict || r.Live.Settled != (verdict == Leaked) {
			t.Errorf("%+v, live %+v, error %v, want %s", r, r.Live, err, verdict)
		}
	}
}

func TestLiveStoreWithoutStatus(t *testing.T) {
	r, err := Verify(context.Background(), bytes.NewReader(nil), 0, Options{Live: func(context.Context) (Moment, error) { return Moment{}, io.ErrClosedPipe }})
	if r != nil || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("report %+v, error %v", r, err)
	}
}
