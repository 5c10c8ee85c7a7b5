package devices

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
)

func TestUnfinishedNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, err := ParseName(rapid.StringMatching(`[a-c \xff]{1,127}`).Draw(t, "name"))
		if err != nil {
			return // too long with its escapes
		}
		u, err := UnfinishedName(n)
		if err != nil || len(u.String()) > MaxName || !strings.HasSuffix(u.String(), NewSuffix) {
			t.Fatalf("%s: %s, %v", n, u, err)
		}
		if again, err := ParseName(u.String()); again != u || err != nil {
			t.Fatalf("%s has half an escape", u)
		}
	})
}

func TestKnownName(t *testing.T) {
	for given, want := range map[string]string{
		"snap":               "snap",
		"a b":                `a\x20b`,
		"/dev/mapper/snap":   "snap",
		`/dev/mapper/a\x20b`: `a\x20b`,
		"vg/lv":              "vg-lv",
		"/dev/vg/lv":         "vg-lv",
		"my-vg/a-b":          "my--vg-a--b",
		"":                   "",
		"/dev/sda":           "",
		"vg/":                "",
		"/lv":                "",
		"a/b/c":              "",
		"/dev/disk/by-id/x":  "",
		"/dev/mapper/a/b":    "",
	} {
		got, err := KnownName(given)
		if got.String() != want || (err != nil) != (want == "") || err != nil && !errors.Is(err, ErrUsage) {
			t.Errorf("%q: %q, %v; want %q", given, got, err, want)
		}
	}
}

// The two names that LVM uses for a device, and the name that they give.
func TestVolumeOf(t *testing.T) {
	for _, names := range [][2]string{{"vg", "lv"}, {"v-g", "l-v"}, {"v--g", "lv"}, {"vg", "a--b-c"}} {
		n, err := KnownName(names[0] + "/" + names[1])
		if err != nil {
			t.Fatal(err)
		}
		if vg, lv, ok := VolumeOf(n); vg != names[0] || lv != names[1] || !ok {
			t.Errorf("%v is %s: %q, %q, %t", names, n, vg, lv, ok)
		}
	}
	for _, s := range []string{"vg", "vg--lv", "vg-"} {
		n, err := ParseName(s)
		if err != nil {
			t.Fatal(err)
		}
		if vg, lv, ok := VolumeOf(n); ok {
			t.Errorf("%s: %q, %q", s, vg, lv)
		}
	}
}
