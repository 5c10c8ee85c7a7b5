//go:build packages && linux

package packaging

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	reference = regexp.MustCompile(`(?m)^\.Xr (dmsnap[a-z-]*) ([5-8])`)
	// overstruck is how mandoc prints bold and underlined letters.
	overstruck = regexp.MustCompile(`.\x08`)
	// elsewhere is the message of mandoc about pages that are not installed
	// here. TestManuals itself looks for the pages of the package.
	elsewhere = regexp.MustCompile(`(?m)^mandoc: .*(?:STYLE: referenced manual not found|outdated mandoc.db).*\n`)
)

// mandoc accepts each page of the package and would print all of it within 80
// columns, and all pages that it refers to exist.
func TestManuals(t *testing.T) {
	need(t, "mandoc")
	man := filepath.Join(unpacked(t), "usr/share/man")
	pages, err := filepath.Glob(man + "/man*/*.gz")
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages, %v: some are not found any more", len(pages), err)
	}
	for _, path := range pages {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".gz"), func(t *testing.T) {
			page := gunzip(t, path)
			lint := exec.Command("mandoc", "-T", "lint", "-W", "style")
			lint.Stdin = bytes.NewReader(page)
			said, _ := lint.CombinedOutput()
			if said = elsewhere.ReplaceAll(said, nil); len(said) > 0 {
				t.Errorf("%s", said)
			}
			for _, line := range strings.Split(rendered(t, page), "\n") {
				if n := len(line); n > 80 {
					t.Errorf("%d columns: %s", n, line)
				}
			}
			for _, m := range reference.FindAllSubmatch(page, -1) {
				if _, err := os.Stat(fmt.Sprintf("%s/man%s/%s.%s.gz", man, m[2], m[1], m[2])); err != nil {
					t.Errorf("%s(%s): there is no such page", m[1], m[2])
				}
			}
		})
	}
}

// rendered is a page as a terminal of 80 columns shows it.
func rendered(t *testing.T, page []byte) string {
	t.Helper()
	format := exec.Command("mandoc", "-T", "ascii", "-O", "width=78")
	format.Stdin = bytes.NewReader(page)
	out, err := format.Output()
	if err != nil {
		t.Fatalf("mandoc: %v", err)
	}
	return overstruck.ReplaceAllString(string(out), "")
}

// The manual of the installed program, as man shows it.
func TestManIsTheWayIn(t *testing.T) {
	need(t, "man-db")
	man := exec.Command("man", "-M", filepath.Join(unpacked(t), "usr/share/man"), "dmsnapctl-verify")
	man.Env = append(os.Environ(), "MANPAGER=cat", "MANWIDTH=80", "LC_ALL=C")
	out, err := man.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("EXIT STATUS")) || !bytes.Contains(out, []byte("EXAMPLES")) {
		t.Errorf("man dmsnapctl-verify: %v\n%.2000s", err, out)
	}
}

func gunzip(t *testing.T, path string) []byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
