package main

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// packagesBelow are the folders with Go files below one of the repository,
// without test data; each as a path from there.
func packagesBelow(t *testing.T, top string) (all []string) {
	t.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(filepath.Join(root, top), func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(d.Name(), ".go"):
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(p))
		if folder = filepath.ToSlash(folder); err == nil && !slices.Contains(all, folder) {
			all = append(all, folder)
		}
		return err
	})
	if err != nil || len(all) == 0 {
		t.Fatal(err)
	}
	return all
}

// drawnPackages reads the names in the picture of ARCHITECTURE.md: what stands
// in a line before two spaces, without what leads to it.
func drawnPackages(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../../ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(text), "```\n", 3)
	if len(parts) < 3 {
		t.Fatal("ARCHITECTURE.md has no picture")
	}
	for line := range strings.Lines(parts[1]) {
		if strings.HasPrefix(line, strings.Repeat(" ", 20)) { // goes on with words
			continue
		}
		line = strings.TrimLeft(line, " │├└─►▼")
		left, _, _ := strings.Cut(strings.TrimSpace(line), "  ")
		for _, name := range strings.Split(left, ", ") {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// TestThePictureShowsAllPackages, and nothing that is not there. The parts of
// vagrant are in its README.
func TestThePictureShowsAllPackages(t *testing.T) {
	drawn := drawnPackages(t)
	var all []string
	for _, top := range []string{"cmd", "dmctl", "verify"} {
		all = append(all, packagesBelow(t, top)...)
	}
	left := slices.Clone(drawn)
	for _, folder := range all {
		i := slices.IndexFunc(left, func(name string) bool { return path.Base(folder) == path.Base(name) })
		if i < 0 {
			t.Errorf("ARCHITECTURE.md does not show %s", folder)
			continue
		}
		left = slices.Delete(left, i, i+1)
	}
	for _, name := range drawn {
		if slices.ContainsFunc(all, func(folder string) bool { return path.Base(folder) == path.Base(name) }) {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
			t.Errorf("ARCHITECTURE.md shows %s, which is not there", name)
		}
	}
}

func TestTheLabsREADMEShowsAllParts(t *testing.T) {
	text, err := os.ReadFile("../../vagrant/README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := regexp.MustCompile("`(lab[a-z/]*)`").FindAllStringSubmatch(string(text), -1)
	for _, folder := range packagesBelow(t, "vagrant/lab") {
		name := strings.TrimPrefix(folder, "vagrant/")
		if !slices.ContainsFunc(listed, func(m []string) bool { return m[1] == name }) {
			t.Errorf("vagrant/README.md does not list %s", name)
		}
	}
}
