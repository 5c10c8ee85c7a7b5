package wire

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
)

func TestWrongNode(t *testing.T) {
	const minor = 236
	for _, test := range []struct {
		name       string
		mode       uint32
		device     uint64
		registered bool
		want       string // "" for the right one
	}{
		{"the node", unix.S_IFCHR | 0o600, unix.Mkdev(10, minor), true, ""},
		{"the node of a module that is not loaded", unix.S_IFCHR, unix.Mkdev(10, 58), false, ""},
		{"another misc device", unix.S_IFCHR, unix.Mkdev(10, 99), true, "it is the device 10:99, want 10:236"},
		{"/dev/null", unix.S_IFCHR, unix.Mkdev(1, 3), false, "it is the device 1:3, want 10"},
		{"a disk", unix.S_IFBLK, unix.Mkdev(10, minor), true, "it is no character device, want 10:236"},
		{"a file", unix.S_IFREG, 0, true, "it is no character device, want 10:236"},
	} {
		err := wrongNode(test.mode, test.device, minor, test.registered)
		if test.want == "" && err == nil {
			continue
		}
		if !errors.Is(err, devices.ErrWrongControlNode) || test.want == "" || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
}

func TestMinorInMisc(t *testing.T) {
	for misc, want := range map[string]int{
		"":                                       -1,
		"183 hw_random\n236 device-mapper\n":     236,
		" 58 device-mapper\n183 hw_random\n":     58,
		"236 device-mapper":                      236,
		"236 device-mapper-x\n237 loop-control":  -1,
		"device-mapper\n":                        -1,
		"-1 device-mapper\n":                     -1,
		"1048576 device-mapper\n":                -1,
		"1048575 device-mapper\n":                1048575,
		"x device-mapper\n236 device-mapper-x\n": -1,
	} {
		minor, ok := minorIn(misc, "device-mapper")
		if ok != (want >= 0) || ok && int(minor) != want {
			t.Errorf("%q: %d, %v, want %d", misc, minor, ok, want)
		}
	}
}
