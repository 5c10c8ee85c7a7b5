//go:build linux

package kernels

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab"
)

func TestOf(t *testing.T) {
	for _, test := range []struct {
		engine lab.Engine
		series string
		want   string
	}{
		{lab.UML, "", "uml-6.1"}, {lab.QEMU, "", "qemu-6.12"}, {lab.QEMU, "6.1", "qemu-6.1"}, {lab.UML, "7.2", "uml-7.2"},
	} {
		if got, err := Of(test.engine, test.series); got.String() != test.want || err != nil {
			t.Errorf("%s %s: %v, %v", test.engine, test.series, got, err)
		}
	}
	for _, engine := range []lab.Engine{"xen", ""} {
		if _, err := Of(engine, ""); err == nil || !strings.Contains(err.Error(), "uml-6.1, uml-7.2") {
			t.Errorf("engine %q: %v", engine, err)
		}
	}
}

func TestParse(t *testing.T) {
	got, err := Parse("qemu-6.1,uml")
	if diff := cmp.Diff([]Name{{lab.QEMU, "6.1"}, {lab.UML, "6.1"}}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if got, err := Parse("all"); len(got) != len(All) || err != nil {
		t.Errorf("all: %v, %v", got, err)
	}
	for _, text := range []string{"", "uml-6.1,", "uml-5"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%q: no error", text)
		}
	}
}

func TestKernelThatIsNotHere(t *testing.T) {
	t.Setenv("DMSNAPCTL_CACHE", t.TempDir())
	_, err := Name{lab.QEMU, "6.12"}.Find()
	if !errors.Is(err, ErrNotFetched) || !strings.Contains(err.Error(), "setup -kernels qemu-6.12") {
		t.Errorf("%v", err)
	}
}

func TestNewestFirst(t *testing.T) {
	names := []string{
		"linux-image-6.1.0-9-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64", "linux-image-6.1.0-56-cloud-amd64-dbg",
		"linux-image-6.1.0-57-amd64", "linux-image-6.1-cloud-amd64", "linux-image-6.12.1+deb12-cloud-amd64",
	}
	want := []string{"linux-image-6.1.0-56-cloud-amd64", "linux-image-6.1.0-9-cloud-amd64"}
	if diff := cmp.Diff(want, newestFirst(names, "6.1")); diff != "" {
		t.Error(diff)
	}
}

func TestParts(t *testing.T) {
	want := []string{"linux-binary-7.2.1+d-cloud-amd64", "linux-modules-7.2.1+d-cloud-amd64", "linux-base-7.2.1+d-cloud-amd64"}
	if diff := cmp.Diff(want, parts(want[0])); diff != "" {
		t.Error(diff)
	}
	if got := parts("linux-image-6.1.0-56-cloud-amd64"); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestOriginIsReadAsWritten(t *testing.T) {
	dir := t.TempDir()
	o := Origin{Suite: "sid", Package: "p", Version: "1"}
	if err := o.write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := readOrigin(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got.path("x") != dir+"/x" || got.Suite != "sid" || got.Package != "p" || got.Version != "1" {
		t.Errorf("%+v", got)
	}
}
