package picture

import (
	"encoding/xml"
	"io"
	"math"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCanvasEscapesAndDescribes(t *testing.T) {
	const wild = "a<b> & \"c\" 'd' \x1b[31m \xff \u202e"
	c := NewCanvas(100, 50.25, wild, wild)
	c.Rect(1, 2, 3.5, 4, Paint{Fill: "#123456", Hatch: Diagonal}, wild)
	c.Rect(1, 2, 3.5, 4, Paint{Fill: "#123456", Hatch: Diagonal, Opacity: 0.25}, "")
	c.Path("M0 0L1 1", Paint{Stroke: "#000000", Width: 2}, "")
	c.Text(5, 6, Font{Bold: true, Mono: true, Anchor: End}, wild)
	var b strings.Builder
	n, err := c.WriteTo(&b)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%d bytes, error %v; %d arrived", n, err, b.Len())
	}
	texts, patterns := 0, 0
	for d := xml.NewDecoder(strings.NewReader(b.String())); ; {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, b.String())
		}
		switch token := token.(type) {
		case xml.CharData:
			if s := string(token); strings.Contains(s, `a<b> & "c" 'd'`) {
				texts++
				if strings.Contains(s, "\x1b") || !utf8.ValidString(s) {
					t.Errorf("raw bytes in %q", s)
				}
			}
		case xml.StartElement:
			if token.Name.Local == "pattern" {
				patterns++
			}
		}
	}
	if texts != 4 || patterns != 1 {
		t.Errorf("%d texts, want 4: title, description, tooltip, text; %d patterns, want 1", texts, patterns)
	}
}

// TestIDsStandBefore: pictures in one document do not use each other's
// patterns.
func TestIDsStandBefore(t *testing.T) {
	c := NewCanvas(10, 10, "t", "d")
	c.Rect(0, 0, 1, 1, Lost, "\x00")
	c.ID = "one-"
	var b strings.Builder
	if _, err := c.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`id="one-title"`, `id="one-desc"`, `labelledby="one-title one-desc"`, `id="one-hatch0"`, `fill="url(#one-hatch0)"`, "<title>\ufffd</title>"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %s in %s", want, b.String())
		}
	}
}

// A standalone picture is dark for readers who prefer that, by the same rule
// as in pages with pictures. In such a page, the page decides.
func TestDarkPictures(t *testing.T) {
	var b strings.Builder
	if _, err := NewCanvas(10, 10, "t", "d").WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	_, rule, found := strings.Cut(b.String(), "<style>@media (prefers-color-scheme: dark) { ")
	if !found || !strings.HasPrefix(rule, "svg:root { filter: invert(") {
		t.Errorf("no rule for dark pages, or one that is not for the root only: %s", b.String())
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 10: "10", 100: "100", 1.25: "1.2", 0.25: "0.25", 0.999: "1", -2.5: "-2.5", 1e6: "1000000"} {
		if got := number(v); got != want {
			t.Errorf("%v is written %q, want %q", v, got, want)
		}
	}
}

// TestRoundSteps: the next round number, at the edges of each.
func TestRoundSteps(t *testing.T) {
	for v, want := range map[float64]float64{
		-1: 1, 0: 1, 0.3: 0.5, 1: 1, 1.01: 2, 2: 2, 2.2: 2.5, 2.6: 5, 5.1: 10, 99: 100, 201: 250,
	} {
		if got := RoundStep(v); math.Abs(got-want) > 1e-9*want {
			t.Errorf("RoundStep(%v) = %v, want %v", v, got, want)
		}
	}
}
