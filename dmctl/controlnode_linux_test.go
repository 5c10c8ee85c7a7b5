package dmctl

import "testing"

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
