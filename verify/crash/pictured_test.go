package crash

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
)

// picturedParts explores a leaking log, as a whole and in three parts. The
// function reads the reports of the parts from their JSON form.
func picturedParts(t *testing.T) (whole *Report, parts func() []*Report) {
	t.Helper()
	var texts [][]byte
	log, opt := scenario(t, allocator.Leaky, 512, noFault, 0)
	opt.Expect, opt.Reorder = allocator.Leaky, 8
	whole = explore(t, log, opt)
	for i := range 3 {
		opt.Shard = Shard{i + 1, 3}
		part := explore(t, log, opt)
		part.KeepPictures()
		text, err := json.Marshal(part)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return whole, func() (read []*Report) {
		for _, text := range texts {
			r := &Report{}
			if err := json.Unmarshal(text, r); err != nil {
				t.Fatal(err)
			}
			read = append(read, r)
		}
		return read
	}
}

// TestPicturesOfASum: the pictures of the sum of all parts are those of the
// whole, and the sum passes nothing on.
func TestPicturesOfASum(t *testing.T) {
	whole, parts := picturedParts(t)
	sum, err := Combine(parts())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(whole.Timeline, sum.Timeline); diff != "" {
		t.Errorf("timeline (-whole +sum):\n%s", diff)
	}
	if diff := cmp.Diff(whole.Epochs, sum.Epochs); diff != "" {
		t.Errorf("epochs (-whole +sum):\n%s", diff)
	}
	first := whole.FirstFailure.State
	if diff := cmp.Diff(whole.Drawn(first), sum.Drawn(first)); diff != "" || len(sum.Drawn(first)) == 0 {
		t.Errorf("the first failure (-whole +sum):\n%s", diff)
	}
	var a, b strings.Builder
	if err := errors.Join(whole.WriteTimeline(&a), sum.WriteTimeline(&b)); err != nil || a.String() != b.String() {
		t.Errorf("the drawn timelines differ: %v", err)
	}
	if sum.Pictured != nil {
		t.Error("the sum has what a part passes on")
	}
}

// TestSumWithoutPictures: if one part keeps nothing, there is nothing to draw.
func TestSumWithoutPictures(t *testing.T) {
	_, read := picturedParts(t)
	parts := read()
	parts[1].Pictured = nil
	if sum, err := Combine(parts); err != nil || sum.Timeline != nil || sum.Epochs != nil || sum.Drawn != nil {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestPicturesThatDoNotFit: pictures of a report are not believed.
func TestPicturesThatDoNotFit(t *testing.T) {
	_, read := picturedParts(t)
	for name, spoil := range map[string]func(r *Report){
		"a shorter timeline":        func(r *Report) { r.Pictured.Timeline = r.Pictured.Timeline[1:] },
		"an unknown letter":         func(r *Report) { r.Pictured.Timeline = "?" + r.Pictured.Timeline[1:] },
		"another timeline":          func(r *Report) { r.Pictured.Timeline = strings.Repeat("F", r.Entries) },
		"an epoch before the log":   func(r *Report) { r.Pictured.Epochs[0].From = -1 },
		"an epoch after the log":    func(r *Report) { r.Pictured.Epochs[0].To = r.Entries + 1 },
		"an epoch that is reversed": func(r *Report) { r.Pictured.Epochs[0].To = r.Pictured.Epochs[0].From - 1 },
		"a window before the log":   func(r *Report) { r.Windows = []Window{{From: -5, To: 1}} },
		"a huge state": func(r *Report) {
			r.Pictured.States = []DrawnState{{"0", slices.Repeat([]DrawnEntry{{}}, mostDrawn+1)}}
		},
		"a huge entry": func(r *Report) {
			r.Pictured.States = []DrawnState{{"0", []DrawnEntry{{New: make([]bool, mostDrawnBlocks+1)}}}}
		},
	} {
		parts := read()
		spoil(parts[1])
		if _, err := Combine(parts); !errors.Is(err, ErrCombine) || !errors.Is(err, errPictures) || !strings.Contains(err.Error(), "report 2 ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
