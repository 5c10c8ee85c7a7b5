package verify

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// chunk512 makes areas of 32 exceptions: small stores then have many areas.
const chunk512 = cow.Sectors(1)

// drawException is an exception that is often in order and sometimes wild.
func drawException(t *rapid.T) cow.Exception {
	near := rapid.Uint64Range(1, 80)
	wild := rapid.SampledFrom([]uint64{1<<56 - 1, 1 << 56, 1<<64 - 2, 1<<64 - 1, 100, 101, 5000, 1 << 40})
	pick := func(label string) cow.Chunk {
		if rapid.IntRange(0, 9).Draw(t, label) == 0 {
			return cow.Chunk(wild.Draw(t, label))
		}
		return cow.Chunk(near.Draw(t, label))
	}
	return cow.Exception{Old: pick("old"), New: pick("new")}
}

// TestLedgerEqualsAccount: no matter how a list was built, the ledger reports
// the same as the streaming account of a store with that list.
func TestLedgerEqualsAccount(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, err := cow.NewGeometry(chunk512)
		if err != nil {
			t.Fatal(err)
		}
		const device, origin = 100, 90
		l := NewLedger(cow.Bounds{Geometry: g, DeviceChunks: device, OriginChunks: origin})
		var list []cow.Exception
		for range rapid.IntRange(0, 80).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 9).Draw(t, "step"); {
			case step < 7 || len(list) == 0:
				e := drawException(t)
				if step < 4 { // many lists are long runs in order
					e.New = g.DataChunk(uint64(len(list)))
				}
				if len(list) == 3*32-1 { // the device holds no further area
					continue
				}
				list = append(list, e)
				l.Push(e)
			case step == 7:
				if got, want := l.Pop(), list[len(list)-1]; got != want {
					t.Fatalf("Pop = %v, want %v", got, want)
				}
				list = list[:len(list)-1]
			default:
				k := rapid.IntRange(0, len(list)-1).Draw(t, "replaced")
				list[k] = drawException(t)
				l.Replace(k, list[k])
			}
		}
		checkLedger(t, l, list, device, origin)
	})
}

func checkLedger(t *rapid.T, l *Ledger, list []cow.Exception, device, origin uint64) {
	store := cowtest.Store{Chunk: chunk512, Exceptions: list, DeviceChunks: device}
	image := store.Bytes()
	a, err := Verify(context.Background(), bytes.NewReader(image), int64(len(image)), Options{OriginBytes: int64(origin * 512)})
	if err != nil {
		t.Fatal(err)
	}

	if a.Counts[TruncatedArea] > 0 {
		t.Fatalf("the test's store is truncated: %v", a.Counts)
	}
	delete(a.Counts, NoRoomForTerminator) // depends on the device alone
	delete(a.Counts, StoreFull)
	if diff := cmp.Diff(a.Counts, l.Counts(), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("counts (-account +ledger):\n%s", diff)
	}
	if diff := cmp.Diff(*a.Order, l.Order()); diff != "" {
		t.Errorf("order (-account +ledger):\n%s", diff)
	}
	if got, want := l.NextFree(), a.Usage.NextFreeChunk; got != want {
		t.Errorf("next free %d, want %d", got, want)
	}
	if got, want := l.Leaked(), a.Leaks.Chunks; got != want {
		t.Errorf("leaked %d, want %d", got, want)
	}
	if got, want := l.Errors() == 0, a.Verdict == Clean || a.Verdict == Leaked; got != want {
		t.Errorf("free of errors: %t, and the verdict is %s", got, a.Verdict)
	}
	var kept []cow.Exception
	for k := range l.Len() {
		kept = append(kept, l.At(k))
	}
	if !slices.Equal(kept, list) {
		t.Errorf("the ledger's list is %v, want %v", kept, list)
	}
}

// TestLedgerGivesBack: exceptions that were taken back leave no trace.
func TestLedgerGivesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, err := cow.NewGeometry(chunk512)
		if err != nil {
			t.Fatal(err)
		}
		b := cow.Bounds{Geometry: g, DeviceChunks: 100, OriginChunks: 90}
		l, fresh := NewLedger(b), NewLedger(b)
		n := rapid.IntRange(0, 40).Draw(t, "kept")
		list := rapid.SliceOfN(rapid.Custom(drawException), n, n+40).Draw(t, "list")
		for _, e := range list {
			l.Push(e)
		}
		for range list[n:] {
			l.Pop()
		}
		for _, e := range list[:n] {
			fresh.Push(e)
		}
		if diff := cmp.Diff(fresh.Counts(), l.Counts()); diff != "" {
			t.Errorf("counts (-fresh +given back):\n%s", diff)
		}
		if l.Errors() != fresh.Errors() || l.Leaked() != fresh.Leaked() || l.NextFree() != fresh.NextFree() {
			t.Errorf("errors %d, leaked %d, next free %d; a fresh ledger has %d, %d, %d",
				l.Errors(), l.Leaked(), l.NextFree(), fresh.Errors(), fresh.Leaked(), fresh.NextFree())
		}
	})
}
