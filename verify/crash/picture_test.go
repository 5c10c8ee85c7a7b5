package crash

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// elements counts the elements of a picture by name; it must be well-formed.
func elements(t *testing.T, picture []byte) map[string]int {
	t.Helper()
	n := map[string]int{}
	for d := xml.NewDecoder(bytes.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
		}
	}
}

func TestTimeline(t *testing.T) {
	log, opt := scenario(t, allocator.Leaky, 512, noFault, 0)
	r := explore(t, log, opt)
	var buf bytes.Buffer
	if err := r.WriteTimeline(&buf); err != nil {
		t.Fatal(err)
	}
	n := elements(t, buf.Bytes())
	if n["svg"] != 1 || n["path"] < 6 || n["rect"] < 4+len(r.Windows) || n["title"] < 1+len(r.Windows) || n["desc"] != 1 {
		t.Errorf("the picture has %v, of %d windows", n, len(r.Windows))
	}
	text := r.TimelineText(60)
	for _, want := range []string{"copies          |", "commits         |", "a crash here    |..........", "LLL|\n", "L: leaks"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "|") && len(line) != 60+18 {
			t.Errorf("a line of %d columns: %q", len(line), line)
		}
	}
}

// TestWindowsShareAColumn: the worst of the windows in one column is shown, in
// whatever order they come.
func TestWindowsShareAColumn(t *testing.T) {
	leak, broken, corrupt := Window{From: 0, To: 2, Leaking: 1}, Window{From: 2, To: 4, Broken: 1}, Window{From: 4, To: 6, Corrupt: 1}
	for _, test := range []struct {
		windows  []Window
		explored int
		want     string
	}{
		{[]Window{leak, broken, corrupt}, 8, "|X|"},
		{[]Window{corrupt, broken, leak}, 8, "|X|"},
		{[]Window{broken, leak}, 8, "|B|"},
		{[]Window{leak}, 4, "|L|"},
		{[]Window{{To: 2, Lost: 1}, leak}, 8, "|W|"},
		{[]Window{broken, {From: 2, To: 4, Lost: 1}}, 8, "|B|"},
		{nil, 4, "|?|"},
		{nil, 8, "|.|"},
	} {
		r := &Report{Windows: test.windows, Timeline: make([]Moment, 8), ExploredEntries: test.explored}
		if text := r.TimelineText(1); !strings.Contains(text, "a crash here    "+test.want) {
			t.Errorf("%+v, want %s:\n%s", test.windows, test.want, text)
		}
	}
}

// TestRatesPicture: two axes, and a curve for each kernel in both.
func TestRatesPicture(t *testing.T) {
	rates, err := allocator.MeasureRates(context.Background(), 1, 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	if err := DrawRates(&buf, rates); err != nil {
		t.Fatal(err)
	}
	if n := elements(t, buf.Bytes()); n["path"] != 2+2*2+len(rates.ByInFlight)+len(rates.ByChunk)+2 || n["desc"] != 1 || n["title"] != 1+len(rates.ByInFlight)+len(rates.ByChunk) {
		t.Errorf("the picture has %v", n)
	}
}

// TestDrawnFailure: for the epoch of the first failure, the report says which
// blocks are durable and which entries are torn.
func TestDrawnFailure(t *testing.T) {
	log, opt := scenario(t, allocator.Leaky, 512, noFault, 0)
	r := explore(t, log, opt)
	name := r.FirstFailure.State
	s, err := ParseState(name)
	if err != nil {
		t.Fatal(err)
	}
	chosen := map[int]string{}
	for _, c := range s.Chosen {
		if chosen[c.Entry] = "new"; c.Blocks != nil {
			chosen[c.Entry] = "torn"
		}
	}
	list := r.Drawn(name)
	for _, d := range list {
		if want := cmp.Or(chosen[d.Entry], "old"); d.how() != want {
			t.Errorf("%+v is %s, want %s", d, d.how(), want)
		}
		delete(chosen, d.Entry)
	}
	if len(chosen) > 0 || len(list) == 0 {
		t.Errorf("%d entries, without %v", len(list), chosen)
	}
	last := list[len(list)-1]
	torn := State{Durable: s.Durable, Chosen: []Choice{{Entry: last.Entry, Blocks: []int{1}}}}
	if got := r.Drawn(torn.String()); got[len(got)-1].how() != "torn" || !got[len(got)-1].New[1] || got[len(got)-1].New[0] {
		t.Errorf("%v: %+v", torn, got[len(got)-1])
	}
	if r.Drawn("nonsense") != nil || r.StatePicture("999999999") != nil {
		t.Error("what is no state is drawn")
	}
	for _, c := range []*picture.Canvas{r.StatePicture(name), r.StatesPicture(100)} {
		var b bytes.Buffer
		if _, err := c.WriteTo(&b); err != nil || elements(t, b.Bytes())["desc"] != 1 {
			t.Errorf("%v: %s", err, b.String())
		}
	}
	if states := uint64(0); len(r.Epochs) > 0 {
		for _, e := range r.Epochs {
			states += e.States
		}
		if states != r.States {
			t.Errorf("the epochs have %d states, the report %d", states, r.States)
		}
	} else {
		t.Error("no epochs")
	}
}
