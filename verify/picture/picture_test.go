package picture

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

var update = flag.Bool("update", false, "write the golden files anew")

const name = "store.img <&>"

// leaky is a store with this many exceptions. In every nth area the last
// chunks leaked, and two exceptions name the same chunk.
func leaky(exceptions, nth int) cowtest.Store {
	g, _ := cow.NewGeometry(8)
	s := cowtest.Store{Chunk: 8}
	e := int(g.ExceptionsPerArea())
	skipped := 0
	for k := range exceptions {
		if k%(nth*e) == nth*e-1 {
			skipped += 40
		}
		s.Exceptions = append(s.Exceptions, cow.Exception{Old: cow.Chunk(k), New: g.DataChunk(uint64(k + skipped))})
	}
	if exceptions > 10 {
		s.Exceptions[5].New = s.Exceptions[4].New
	}
	s.DeviceChunks = uint64(s.Size() / 4096 * 4 / 3)
	return s
}

func report(t *testing.T, s cowtest.Store, bins int) *verify.Report {
	t.Helper()
	image := s.Bytes()
	r, err := verify.Verify(context.Background(), bytes.NewReader(image), int64(len(image)), verify.Options{Bins: bins})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestGoldenPictures(t *testing.T) {
	for file, s := range map[string]cowtest.Store{
		"small":     {Chunk: 8, Exceptions: cowtest.Canonical(8, 1, 2, 3)[1:], DeviceChunks: 300},
		"leaky":     leaky(5000, 3),
		"no chunks": {Chunk: 8, DeviceChunks: 2},
	} {
		golden(t, file+".svg", func(w io.Writer) error { return SVG(w, name, report(t, s, Bins)) })
		golden(t, file+".png", func(w io.Writer) error { return PNG(w, name, report(t, s, Bins)) })
		golden(t, file+".txt", func(w io.Writer) error { return Terminal{Columns: 80}.Text(w, name, report(t, s, TextBins(80))) })
		golden(t, file+".ascii.txt", func(w io.Writer) error {
			return Terminal{Columns: 80, ASCII: true}.Text(w, name, report(t, s, TextBins(80)))
		})
		golden(t, file+".color.txt", func(w io.Writer) error {
			return Terminal{Columns: 60, Color: true}.Text(w, name, report(t, s, TextBins(60)))
		})
	}
}

func golden(t *testing.T, name string, draw func(io.Writer) error) {
	t.Helper()
	var got bytes.Buffer
	if err := draw(&got); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-"))
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got.Bytes()) {
		diff := "images"
		if filepath.Ext(name) != ".png" {
			diff = cmp.Diff(string(want), got.String())
		}
		t.Errorf("%s differs (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// TestPicturesAreWellFormed: every SVG is XML and every PNG an image, and no
// line of text is wider than the terminal, for any width.
func TestPicturesAreWellFormed(t *testing.T) {
	r := report(t, leaky(3000, 2), Bins)
	var svg, img bytes.Buffer
	if err := errors.Join(SVG(&svg, name, r), PNG(&img, name, r)); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(&svg); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := png.Decode(&img); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{20, 21, 40, 60, 80, 250} {
		var b bytes.Buffer
		if err := (Terminal{Columns: columns, ASCII: columns%2 == 0}).Text(&b, name, report(t, leaky(3000, 2), TextBins(columns))); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(b.String()) {
			if n := len([]rune(strings.TrimSuffix(l, "\n"))); n > columns {
				t.Errorf("%d columns: a line of %d: %q", columns, n, l)
			}
		}
	}
}

// TestBinsAddUp: each chunk of the device is in one bin, and counted as one
// kind.
func TestBinsAddUp(t *testing.T) {
	s := leaky(3000, 2)
	for _, n := range []int{1, 7, 100, Bins, 1 << 20} {
		r := report(t, s, n)
		next, total := cow.Chunk(0), uint64(0)
		for _, b := range r.Bins {
			if b.First != next || b.End <= b.First || b.Data+b.Metadata+b.Leaked+b.Free+b.Damaged != b.Chunks() {
				t.Fatalf("%d bins: %+v", n, b)
			}
			next, total = b.End, total+b.Chunks()
		}
		if len(r.Bins) > n || total != s.DeviceChunks {
			t.Errorf("%d bins of %d chunks in all, asked for %d of %d", len(r.Bins), total, n, s.DeviceChunks)
		}
		if got := totals(r); got[leaked] != r.Leaks.Chunks || got[damaged] != 1 {
			t.Errorf("%d bins: totals %v, leaked %d", n, got, r.Leaks.Chunks)
		}
	}
}

// TestLargestLeaksAreCalledOut: no matter what comes before them, with the
// counts of verify.
func TestLargestLeaksAreCalledOut(t *testing.T) {
	g, _ := cow.NewGeometry(8)
	s := cowtest.Store{Chunk: 8}
	k := uint64(0)
	for i := range cow.Chunk(40) {
		if k += 2; i == 30 {
			k += 600
		}
		s.Exceptions = append(s.Exceptions, cow.Exception{Old: i, New: g.DataChunk(k)})
	}
	want := []string{
		"641 chunks (2.50 MiB) leaked, in 42 ranges, the largest:", // as verify counts them
		"  chunks 63-257 at 252 KiB: 780 KiB",
		"  chunks 259-514 at 1.01 MiB: 1 MiB",
		"  chunks 516-665 at 2.02 MiB: 600 KiB",
		"  ... and 39 more",
	}
	if diff := cmp.Diff(want, leakLines(report(t, s, Bins), 3)); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}

// TestMoreAllocatedThanThereIs: the figures of a broken store are not shown as
// a percentage.
func TestMoreAllocatedThanThereIs(t *testing.T) {
	s := cowtest.Store{Chunk: 8, Exceptions: []cow.Exception{{Old: 1, New: 1 << 50}}}
	if got := summary(report(t, s, Bins))[0]; !strings.HasSuffix(got, ", more than the device allocated") {
		t.Errorf("summary %q", got)
	}
}

func TestWriteErrors(t *testing.T) {
	r := report(t, leaky(100, 2), 50)
	for kind, err := range map[string]error{"SVG": SVG(broken{}, name, r), "PNG": PNG(broken{}, name, r), "Text": Terminal{Columns: 80}.Text(broken{}, name, r)} {
		if !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: error %v", kind, err)
		}
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
