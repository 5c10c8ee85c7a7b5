package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The first line is there from the start; each other one appears after its pause,
// and long ones are shortened.
func TestListenAndShorten(t *testing.T) {
	clock := []time.Duration{0, 200 * time.Millisecond, 10 * time.Second, 10*time.Second + 300*time.Millisecond}
	now := func() time.Time {
		at := time.Unix(0, 0).Add(clock[0])
		clock = clock[1:]
		return at
	}
	lines, err := listen(strings.NewReader("one\ntwo  \nthree\n"), now)
	if err != nil {
		t.Fatal(err)
	}
	times := shortened(lines)
	for i, want := range []line{{0, "one"}, {1500 * time.Millisecond, "two"}, {1800 * time.Millisecond, "three"}} {
		if lines[i].text != want.text || times[i] != want.at {
			t.Errorf("line %d: %q at %v, want %q at %v", i, lines[i].text, times[i], want.text, want.at)
		}
	}
}

// A long run is shown in the time of a short one, in its rhythm.
func TestLongRunsAreShownFaster(t *testing.T) {
	lines := []line{{time.Hour, "booting"}}
	for i := range 40 {
		lines = append(lines, line{time.Hour + time.Duration(i+1)*time.Minute, "more"})
	}
	times := shortened(lines)
	if first, middle, last := times[0], times[20], times[40]; first != 0 || middle != whole/2 || last != whole {
		t.Errorf("lines at %v, %v and %v", first, middle, last)
	}
}

// The picture has all the output, also for readers who cannot see it.
func TestDraw(t *testing.T) {
	picture := string(draw("a <b>", []line{{0, "x < y & z\x1b"}, {time.Second, ""}, {2 * time.Second, "end"}}))
	texts, desc := 0, ""
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, picture)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "text" {
			texts++
		} else if ok && start.Name.Local == "desc" {
			_ = d.DecodeElement(&desc, &start)
		}
	}
	if texts != 3 || desc != "x < y & z\uFFFD\n\nend\n" {
		t.Errorf("%d texts and the description %q\n%s", texts, desc, picture)
	}
	if n := strings.Count(picture, `class="line"`); n != 1 || !strings.Contains(picture, `<text xml:space="preserve" x="16" y="46">x &lt; y`) {
		t.Errorf("%d lines appear later, and the first is not there from the start:\n%s", n, picture)
	}
	for _, want := range []string{"animation-delay:2.0s", "prefers-color-scheme: dark", "prefers-reduced-motion"} {
		if strings.Count(picture, want) == 0 {
			t.Errorf("no %s in\n%s", want, picture)
		}
	}
}

// A command that fails leaves no picture.
func TestRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.svg")
	for _, command := range [][]string{{"sh", "-c", "echo half; exit 1"}, {"true"}, {"/no/such/command"}} {
		if err := record(path, "t", command); err == nil {
			t.Errorf("%v: no error", command)
		}
		if _, err := os.Stat(path); err == nil {
			t.Fatalf("%v left a picture", command)
		}
	}
	if err := record(path, "t", []string{"echo", "hello"}); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), ">hello</text>") {
		t.Errorf("the picture is\n%s", text)
	}
}
