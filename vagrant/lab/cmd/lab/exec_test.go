//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLimit(t *testing.T) {
	for _, test := range []struct {
		set  time.Duration
		args []string
		want time.Duration
	}{
		{0, nil, 15 * time.Minute},
		{0, []string{"-test.v", "-test.timeout=1m0s"}, time.Minute + grace},
		{0, []string{"-test.timeout=0s"}, 15 * time.Minute},
		{time.Second, []string{"-test.timeout=1m0s"}, time.Second},
	} {
		if got := (settings{timeout: test.set}).limit(test.args); got != test.want {
			t.Errorf("%v %v: %v, want %v", test.set, test.args, got, test.want)
		}
	}
}

func TestWritable(t *testing.T) {
	t.Setenv("GOCOVERDIR", "/cover")
	args := []string{"-test.v", "-test.testlogfile=/b/testlog.txt", "-test.outputdir=/out", "-test.run=/x"}
	if diff := cmp.Diff([]string{".", "/b", "/out", "/cover"}, writable(args)); diff != "" {
		t.Error(diff)
	}
}

func TestUsageErrors(t *testing.T) {
	for _, args := range [][]string{{}, {"-none"}, {"-disks", "x"}} {
		if status, _ := execute(args); status != exitUsage {
			t.Errorf("exec %q: status %d, want %d", args, status, exitUsage)
		}
	}
}

func TestChoice(t *testing.T) {
	for _, test := range []struct {
		settings
		kernel, which string
	}{
		{settings{engine: "uml"}, "uml-6.1", "stock"},
		{settings{engine: "uml", kernel: "leaky"}, "uml-6.1", "leaky"},
		{settings{engine: "uml", kernel: "stock"}, "uml-6.1", "stock"},
		{settings{engine: "uml", mended: true}, "uml-6.1", "mended"},
		{settings{engine: "qemu", leaky: true}, "qemu-6.12", "leaky"},
		{settings{engine: "qemu", kernel: "6.1"}, "qemu-6.1", "stock"},
	} {
		kernel, which, err := test.choice()
		if kernel.String() != test.kernel || which != test.which || err != nil {
			t.Errorf("%+v: %v %s, %v", test.settings, kernel, which, err)
		}
	}
	if _, _, err := (settings{engine: "uml", leaky: true, mended: true}).choice(); err == nil {
		t.Error("two variants at once")
	}
	if _, _, err := (settings{engine: "uml", kernel: "6.13"}).choice(); err == nil {
		t.Error("a kernel that there is not")
	}
}
