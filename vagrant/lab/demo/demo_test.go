//go:build linux

package demo

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
)

// good are endings as promised.
func good(t *testing.T) (stock, leaky Ending) {
	t.Helper()
	stock = Ending{Kernel: "stock", Version: "1.16.0", Gate: "fixed"}
	leaky = Ending{Kernel: "leaky", Version: "1.11.1", Gate: "leaky"}
	for _, e := range []struct {
		ending *Ending
		exit   int
		json   string
	}{
		{&stock, 0, `{"verdict":"clean","usage":{"exceptions":200,"allocated_sectors":1616},"leaks":{"chunks":0,"ranges":[]}}`},
		{&leaky, 1, `{"verdict":"leaked","usage":{"exceptions":256},"leaks":{"chunks":7,"ranges":[{"first":202,"last":207},{"first":210,"last":210}]}}`},
	} {
		if err := json.Unmarshal([]byte(e.json), &e.ending.Report); err != nil {
			t.Fatal(err)
		}
		e.ending.Report.Exit = e.exit
	}
	return stock, leaky
}

func TestEndingInOneLine(t *testing.T) {
	stock, leaky := good(t)
	for want, e := range map[string]Ending{
		"stock 1.16.0: fixed, 0 chunks leaked":                stock,
		"leaky 1.11.1: leaky, 7 chunks leaked (202-207, 210)": leaky,
	} {
		if diff := cmp.Diff(want, e.String()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestJudge(t *testing.T) {
	if err := Judge(good(t)); err != nil {
		t.Fatal(err)
	}
	for says, spoil := range map[string]func(stock, leaky *Ending){
		"stock kernel: expected at least 200": func(s, _ *Ending) { s.Report.Usage.Exceptions = 199 },
		"leaky kernel: expected at least 200": func(_, l *Ending) { l.Report.Usage.Exceptions = 0 },
		"a fixed target":                      func(s, _ *Ending) { s.Gate = "leaky" },
		"a clean store":                       func(s, _ *Ending) { s.Report.Exit = 1 },
		"no leaked chunk":                     func(s, _ *Ending) { s.Report.Leaks.Chunks = 1 },
		"a leaky target":                      func(_, l *Ending) { l.Gate = "fixed" },
		"a leaked store":                      func(_, l *Ending) { l.Report.Verdict = "corrupt" },
		"leaked chunks, found none":           func(_, l *Ending) { l.Report.Leaks.Chunks = 0 },
	} {
		stock, leaky := good(t)
		spoil(&stock, &leaky)
		if err := Judge(stock, leaky); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("error %v, want one that says %q", err, says)
		}
	}
}

func TestColumnsWaitForBoth(t *testing.T) {
	var out strings.Builder
	c := columns{w: &out}
	c.tell(0, scene.Check, "a")
	c.tell(0, scene.Create, "b")
	if out.Len() != 0 {
		t.Errorf("printed %q before the other kernel was there", out.String())
	}
	c.tell(1, scene.Check, "c")
	want := "check        a                                  c\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestReadStatus(t *testing.T) {
	got, err := readStatus(`{"snapshots":[{"state":"active","allocated_sectors":1,"total_sectors":2,"metadata_sectors":3}]}`)
	want := Status{State: "active", Figures: Figures{Allocated: 1, Total: 2, Metadata: 3}}
	if got != want || err != nil {
		t.Errorf("got %v, error %v; want %v", got, err, want)
	}
	for _, text := range []string{"", "{}", `{"snapshots":[{},{}]}`} {
		if _, err := readStatus(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}
