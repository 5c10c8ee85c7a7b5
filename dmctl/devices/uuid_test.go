package devices

import (
	"testing"
)

func TestOwnerOf(t *testing.T) {
	for text, want := range map[string]string{
		"LVM-abc":              "LVM",
		"mpath-3600a0b8":       "multipath",
		"CRYPT-LUKS2-0-x":      "cryptsetup",
		"part1-mpath-3600a0b8": "multipath",
		"part12-LVM-abc":       "LVM",
		"part3-CRYPT-x":        "cryptsetup",
		"partx-LVM-abc":        "",
		"part1":                "",
		"DMRAID-x":             "",
		"DMSNAP-00-8.0-snap":   OwnerOurs,
	} {
		u, err := UUIDOf(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := OwnerOf(u); got != want {
			t.Errorf("%s belongs to %q, want %q", text, got, want)
		}
	}
	if got := OwnerOf(UUID{}); got != "" {
		t.Errorf("a device without UUID belongs to %q", got)
	}
}
