package page

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// explored is the report of a log that a leaky kernel wrote.
func explored(t *testing.T) *crash.Report {
	t.Helper()
	fixture := func(name string) []byte {
		return cowtest.Unpack(t, filepath.Join("..", "..", "..", "testdata", "crash", name+".gz"))
	}
	log, base := fixture("leaky.log"), fixture("base.img")
	l, err := logwrites.Open(bytes.NewReader(log), int64(len(log)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := crash.Explore(context.Background(), l, crash.Options{
		Origin: crash.Region{Start: 0, Len: 16384}, COW: []crash.Region{{Start: 16384, Len: 32768}},
		Base: bytes.NewReader(base), BaseSize: int64(len(base)), FromMark: "frozen",
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func written(t *testing.T, p Page) string {
	t.Helper()
	var b strings.Builder
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv("PAGES"); dir != "" { // for viewing it
		if err := os.WriteFile(filepath.Join(dir, t.Name()+".html"), []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

// wellFormed reads the page's pictures.
func wellFormed(t *testing.T, html string) (ids map[string]int) {
	t.Helper()
	ids = map[string]int{}
	for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(html, -1) {
		for d := xml.NewDecoder(strings.NewReader(svg)); ; {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			e, ok := token.(xml.StartElement)
			for i := range e.Attr {
				if ok && e.Attr[i].Name.Local == "id" {
					ids[e.Attr[i].Value]++
				}
			}
		}
	}
	return ids
}

func TestPageTellsAll(t *testing.T) {
	html := written(t, Page{Log: "leaky.log", Report: explored(t), Version: "1.2.3", Next: []Command{{"again:", "make it --again"}}})
	for _, want := range []string{
		"✗ failing", "of 1316 crash states lose chunks", "make it --again", "4 times", "id=\"states-title\"", "id=\"failure-title\"",
		"The first failure", "entry 160, commit", "out-of-order", "1.2.3",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	for id, n := range wellFormed(t, html) {
		if n > 1 {
			t.Errorf("the id %s is there %d times", id, n)
		}
	}
	// The page loads nothing from elsewhere.
	outside := strings.ReplaceAll(html, `xmlns="http://www.w3.org/2000/svg"`, "")
	if found := regexp.MustCompile(`<script|src=|href=|@import|https?://|url\([^#]`).FindString(outside); found != "" {
		t.Errorf("the page has %q", found)
	}
}

// TestNamesAreEscaped: names from all sources are.
func TestNamesAreEscaped(t *testing.T) {
	const evil = `<script>alert(1)</script>"'&`
	r := explored(t)
	r.Warnings = []string{evil}
	r.Doubts = []crash.Doubt{{Code: "x", Message: evil}}
	r.FirstFailure.Why = evil
	r.Checks = crash.Checks{Command: evil, View: crash.View(evil), FailedChecks: 1, Failures: []crash.CheckFailure{{State: evil, Why: evil}}}
	r.SecondCrash = &crash.SecondCrash{From: 1, FirstFailure: &crash.Failure{State: evil, Why: evil}}
	html := written(t, Page{Log: evil, Report: r, Version: evil, Next: []Command{{evil, evil}}})
	if strings.Contains(html, "<script") || strings.Count(html, "alert(1)") < 12 {
		t.Errorf("%d times alert(1), or as it came", strings.Count(html, "alert(1)"))
	}
	wellFormed(t, html)
}

// TestVerdicts: the page shows a good verdict only if nothing is wrong and
// nothing is doubtful.
func TestVerdicts(t *testing.T) {
	for want, change := range map[string]func(*crash.Report){
		"good":  func(*crash.Report) {},
		"doubt": func(r *crash.Report) { r.Doubts = []crash.Doubt{{}} },
		"bad":   func(r *crash.Report) { r.CorruptStates = 1; r.Doubts = []crash.Doubt{{}} },
	} {
		r := &crash.Report{Worst: &crash.Worst{}, SecondCrash: &crash.SecondCrash{}}
		change(r)
		if html := written(t, Page{Report: r}); !strings.Contains(html, `class="verdict `+want+`"`) {
			t.Errorf("not %s", want)
		}
	}
	for _, change := range []func(*crash.Report){
		func(r *crash.Report) { r.UndecidedChecks = 1 }, func(r *crash.Report) { r.Entries = 1 },
	} {
		r := &crash.Report{SecondCrash: &crash.SecondCrash{}}
		if change(r); (&Page{Report: r}).class() != "doubt" {
			t.Errorf("%+v is %s", r, (&Page{Report: r}).class())
		}
	}
	for _, change := range []func(*crash.Report){
		func(r *crash.Report) { r.FailedChecks = 1 }, func(r *crash.Report) { r.LeakingStates = 1 }, func(r *crash.Report) { r.LostWriteStates = 1 }, func(r *crash.Report) { r.BrokenImageStates = 1 }, func(r *crash.Report) { r.SecondCrash.Corrupt = 1 },
	} {
		r := &crash.Report{SecondCrash: &crash.SecondCrash{}}
		if change(r); (&Page{Report: r}).class() != "bad" {
			t.Errorf("%+v is %s", r, (&Page{Report: r}).class())
		}
	}
}

func TestWriteFails(t *testing.T) {
	p := Page{Report: &crash.Report{SecondCrash: &crash.SecondCrash{}}}
	if err := p.Write(full{}); err == nil {
		t.Error("no error")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
