package verify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// moving is a store that looks different each time its header is read, like
// one that is written to meanwhile, and its status lines.
type moving struct {
	images [][]byte // the last one stays
	lines  []string // one for each question; the last one stays
	reads  int
	asked  int
}

func (m *moving) ReadAt(p []byte, off int64) (int, error) {
	if off == 0 {
		m.reads++
	}
	return bytes.NewReader(m.images[min(m.reads, len(m.images))-1]).ReadAt(p, off)
}

func (m *moving) status(context.Context) (string, error) {
	m.asked++
	return m.lines[min(m.asked, len(m.lines))-1], nil
}

func TestLiveStores(t *testing.T) {
	clean := with4K(cowtest.Canonical(chunk4K, 7, 8)...).Bytes()
	// What a torn read looks like: the second area was read before the
	// kernel zeroed it, the first one after it had filled up.
	torn := with4K(append(cowtest.Canonical(chunk4K, cowtest.Run(0, 256)...), cow.Exception{Old: 5, New: 99999})...).Bytes()
	stale := with4K(cowtest.Canonical(chunk4K, 7, 8)...)
	stale.Stale = []cow.Exception{{Old: 9, New: 4}}
	other := with4K(cowtest.Canonical(chunk4K, 7, 8, 7)...).Bytes()

	tests := []struct {
		name    string
		store   *moving
		verdict Verdict
		want    *Live
		err     error
	}{
		{"at rest", &moving{images: [][]byte{clean}, lines: []string{"a"}}, Clean, &Live{"a", 1, true}, nil},
		{"the status line changes once", &moving{images: [][]byte{clean}, lines: []string{"a", "b"}}, Clean, &Live{"b", 2, true}, nil},
		{"a torn read is not believed", &moving{images: [][]byte{torn, clean}, lines: []string{"a"}}, Clean, &Live{"a", 2, true}, nil},
		{"nor are two different ones", &moving{images: [][]byte{torn, stale.Bytes(), clean}, lines: []string{"a"}}, Clean, &Live{"a", 3, true}, nil},
		{"what stays is believed", &moving{images: [][]byte{clean, stale.Bytes()}, lines: []string{"a", "b"}}, Stale, &Live{"b", 3, true}, nil},
		{"damage that stays is believed", &moving{images: [][]byte{other}, lines: []string{"a"}}, Corrupt, &Live{"a", 2, true}, nil},
		{"always moving and always clean", &moving{images: [][]byte{clean}, lines: counting(100)}, Clean, &Live{"24", 12, false}, nil},
		{"always moving and never clean", &moving{images: [][]byte{torn}, lines: counting(100)}, "", nil, ErrMoving},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) { // the pauses take no time
			r, err := Verify(context.Background(), tt.store, 1000*4096, Options{Status: tt.store.status})
			if !errors.Is(err, tt.err) {
				t.Fatalf("%s: error %v, want %v", tt.name, err, tt.err)
			}
			if tt.err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, r.Live); diff != "" || r.Verdict != tt.verdict {
				t.Errorf("%s: verdict %s, want %s; live (-want +got):\n%s", tt.name, r.Verdict, tt.verdict, diff)
			}
		})
	}
}

func counting(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
	}
	return out
}

func TestLiveStoreWithoutStatus(t *testing.T) {
	r, err := Verify(context.Background(), bytes.NewReader(nil), 0, Options{Status: func(context.Context) (string, error) { return "", io.ErrClosedPipe }})
	if r != nil || !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("report %+v, error %v", r, err)
	}
}
