// Package treetest builds systems for tests. Only tests import it.
package treetest

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/packtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/internal/unpack"
)

// FS is the files of a machine: contents by path. "-> TARGET" is a symbolic
// link, "@NAME" the file of testdata/modules of that name. A module is for the
// kernel in whose directory it is or, as "@NAME=RELEASE", for that release.
func FS(t testing.TB, files map[string]string) fstest.MapFS {
	t.Helper()
	m := make(fstest.MapFS)
	for name, content := range files {
		file := &fstest.MapFile{Data: []byte(content), Mode: 0o644}
		if target, isLink := strings.CutPrefix(content, "-> "); isLink {
			file = &fstest.MapFile{Data: []byte(target), Mode: fs.ModeSymlink | 0o777}
		} else if fixture, isFixture := strings.CutPrefix(content, "@"); isFixture {
			fixture, release, explicit := strings.Cut(fixture, "=")
			if _, below, ok := strings.Cut("/"+name, "/modules/"); ok && !explicit {
				release, _, _ = strings.Cut(below, "/")
			}
			if file.Data = Fixture(t, fixture); release != "" {
				file.Data = Module(t, file.Data, release)
			}
		}
		m[name] = file
	}
	return m
}

// Fixture returns a file of testdata/modules.
func Fixture(t testing.TB, name string) []byte {
	t.Helper()
	_, here, _, _ := runtime.Caller(0)
	data, err := os.ReadFile(filepath.Join(filepath.Dir(here), "../../../../../testdata/modules", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// Module returns a module of testdata/modules as one of another kernel.
func Module(t testing.TB, data []byte, release string) []byte {
	t.Helper()
	const was = "vermagic=6.1.0-fixture SMP mod_unload "
	format := unpack.Of(data)
	if format != nil {
		var err error
		if data, err = format.Unpack(data, 1<<20, nil); err != nil {
			t.Fatal(err)
		}
	}
	is := "vermagic=" + release + " "
	if len(is) > len(was) {
		t.Fatalf("%q is too long", release)
	}
	data = bytes.ReplaceAll(data, []byte(was), []byte(is+strings.Repeat("-", len(was)-len(is))))
	if format != nil {
		data = packtest.Packed(t, format.Name, data)
	}
	return data
}

// System is FS as a tree.
func System(t testing.TB, files map[string]string) *tree.Tree {
	t.Helper()
	return tree.New(FS(t, files))
}

// With returns files with more files added, name and content in turn; ""
// removes one.
func With(files map[string]string, more ...string) map[string]string {
	all := maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		if all[more[i]] = more[i+1]; more[i+1] == "" {
			delete(all, more[i])
		}
	}
	return all
}
