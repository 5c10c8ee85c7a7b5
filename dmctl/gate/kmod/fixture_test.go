package kmod

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

// fixtures are files that compilers and linkers made, for every word size and
// byte order; testdata/modules/build.sh makes them again.
var fixtures = filepath.Join("..", "..", "..", "testdata", "modules")

func readFixture(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

var moduleFixtures = []struct {
	name string
	want gate.Version
}{
	{"amd64.ko", gate.Version{Major: 1, Minor: 16}},
	{"amd64-stripped.ko", gate.Version{Major: 1, Minor: 16}},
	{"amd64-ancient.ko", gate.Version{Major: 1, Minor: 9}}, // no features
	{"amd64-leaky.ko", gate.Version{Major: 1, Minor: 11, Patch: 1}},
	{"amd64-leaky.ko.gz", gate.Version{Major: 1, Minor: 11, Patch: 1}},
	{"amd64-leaky.ko.xz", gate.Version{Major: 1, Minor: 11, Patch: 1}},
	{"amd64-leaky.ko.zst", gate.Version{Major: 1, Minor: 11, Patch: 1}},
	{"386.ko", gate.Version{Major: 1, Minor: 15}},
	{"386-ancient.ko", gate.Version{Major: 1, Minor: 10, Patch: 1}},
	{"386-stripped.ko", gate.Version{Major: 1, Minor: 15}},
	{"arm64.ko", gate.Version{Major: 1, Minor: 14}},
	{"arm.ko", gate.Version{Major: 1, Minor: 13}},
	{"mips.ko", gate.Version{Major: 1, Minor: 12}},
	{"mips64el.ko", gate.Version{Major: 1, Minor: 10, Patch: 2}},
	{"ppc64.ko", gate.Version{Major: 1, Minor: 11}}, // big-endian, function descriptors
	{"riscv64.ko", gate.Version{Major: 1, Minor: 15, Patch: 1}},
	{"s390x.ko", gate.Version{Major: 1, Minor: 12, Patch: 1}},
}

var imageFixtures = []struct {
	name string
	want gate.Version
}{
	{"vmlinux-amd64", gate.Version{Major: 1, Minor: 16}},
	{"vmlinux-s390x", gate.Version{Major: 1, Minor: 14, Patch: 2}},
	{"vmlinux-arm64", gate.Version{Major: 1, Minor: 15}},
	{"Image-arm64", gate.Version{Major: 1, Minor: 15}},
	{"Image-arm", gate.Version{Major: 1, Minor: 11, Patch: 2}},
}

func TestReadModule(t *testing.T) {
	for _, test := range moduleFixtures {
		got, err := ReadModule(bytes.NewReader(readFixture(t, test.name)))
		if err != nil || got.Version != test.want || got.Release != "6.1.0-fixture" {
			t.Errorf("%s: %v, %v, want %v of 6.1.0-fixture", test.name, got, err, test.want)
		}
	}
}

func TestReadImage(t *testing.T) {
	for _, test := range imageFixtures {
		got, err := ReadImage(bytes.NewReader(readFixture(t, test.name)))
		if err != nil || got != test.want {
			t.Errorf("%s: %v, %v, want %v", test.name, got, err, test.want)
		}
	}
}

// The module of the distribution's User-mode Linux, made by the kernel's own
// build.
func TestReadDistributionModule(t *testing.T) {
	files, err := filepath.Glob("/usr/lib/uml/modules/*/kernel/drivers/md/dm-snapshot.ko")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dm-snapshot.ko of User-mode Linux (%v): install the package user-mode-linux", err)
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadModule(f)
		_ = f.Close()
		if want := (gate.Version{Major: 1, Minor: 16}); err != nil || got.Version != want || got.Release == "" {
			t.Errorf("%s: %+v, %v, want %v and a release", name, got, err, want)
		}
	}
}

func TestModuleWithoutTarget(t *testing.T) {
	for _, test := range []struct {
		name string
		want error
	}{
		{"amd64-none.ko", ErrNoTarget},
		{"target.c", errNotELF},
	} {
		if got, err := ReadModule(bytes.NewReader(readFixture(t, test.name))); !errors.Is(err, test.want) {
			t.Errorf("%s: %v, %v, want %v", test.name, got, err, test.want)
		}
	}
	if got, err := ReadModule(bytes.NewReader(readFixture(t, "vmlinux-amd64"))); err == nil {
		t.Errorf("a kernel was taken for a module: %v", got)
	}
	if got, err := ReadImage(bytes.NewReader(readFixture(t, "amd64.ko"))); err == nil {
		t.Errorf("a module was taken for a kernel: %v", got)
	}
}
