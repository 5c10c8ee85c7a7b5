package gate

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestParseVersion(t *testing.T) {
	for _, test := range []struct {
		text string
		want Version
	}{
		{"1.16.0", Version{1, 16, 0}},
		{"v1.16.0", Version{1, 16, 0}},
		{" 1.10.2\n", Version{1, 10, 2}},
		{"\tv0.0.0\r\n", Version{}},
		{"1.10.99", Version{1, 10, 99}},
		{"4294967295.4294967295.4294967295", Version{math.MaxUint32, math.MaxUint32, math.MaxUint32}},
	} {
		got, err := ParseVersion(test.text)
		if err != nil {
			t.Errorf("ParseVersion(%q): %v", test.text, err)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("ParseVersion(%q) (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestParseVersionRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "is empty"},
		{" \n", "is empty"},
		{"v", "is not three numbers"},
		{"1.12", "is not three numbers"},
		{"1.12.0.1", "is not three numbers"},
		{"1.12.", "empty number"},
		{"..", "empty number"},
		{"-1.12.0", `"-1" where a decimal number belongs`},
		{"+1.12.0", `"+1" where a decimal number belongs`},
		{"1. 12.0", `" 12" where a decimal number belongs`},
		{"1.12.0-rc1", `"0-rc1" where`},
		{"1.0x10.0", `"0x10" where`},
		{"vv1.12.0", `"v1" where`},
		{"V1.12.0", `"V1" where`},
		{"1.١٢.0", "where a decimal number belongs"},
		{"1.012.0", "leading zero"},
		{"1.4294967296.0", "32 bits"},
		{"1." + strings.Repeat("9", 1000) + ".0", "32 bits"},
		{"1.16.0 1.11.1", "is not three numbers"},
	} {
		got, err := ParseVersion(test.text)
		if err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", test.text, got)
			continue
		}
		if !strings.Contains(err.Error(), test.want) {
			t.Errorf("ParseVersion(%q): %q does not say %q", test.text, err, test.want)
		}
		if message := err.Error(); len(message) > 200 || strings.Contains(message, "\n") {
			t.Errorf("ParseVersion(%q): message is no short line: %q", test.text, message)
		}
	}
}

func anyVersion() *rapid.Generator[Version] {
	return rapid.Custom(func(t *rapid.T) Version {
		return Version{
			rapid.Uint32().Draw(t, "major"),
			rapid.Uint32().Draw(t, "minor"),
			rapid.Uint32().Draw(t, "patch"),
		}
	})
}

func TestVersionRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := anyVersion().Draw(t, "version")
		got, err := ParseVersion(v.String())
		if err != nil || got != v {
			t.Fatalf("ParseVersion(%q) = %v, %v", v.String(), got, err)
		}
	})
}

func TestCompare(t *testing.T) {
	ascending := []Version{
		{0, 0, 0}, {0, 99, 99}, {1, 9, 9}, {1, 10, 0}, {1, 10, 2}, {1, 10, 99}, {1, 11, 0}, {1, 12, 0},
		{1, 16, 0}, {2, 0, 0}, {math.MaxUint32, 0, 0},
	}
	for i, a := range ascending {
		for j, b := range ascending {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", a, b, got, want)
			}
			if got := a.AtLeast(b); got != (i >= j) {
				t.Errorf("%v.AtLeast(%v) = %v", a, b, got)
			}
		}
	}
}

func FuzzParseVersion(f *testing.F) {
	for _, seed := range []string{"1.16.0", "v1.16.0", " 1.10.2\n", "1.12", "-1.0.0", "1.4294967296.0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersion(text)
		if err != nil {
			return
		}
		if got := strings.TrimPrefix(strings.TrimSpace(text), "v"); got != v.String() {
			t.Fatalf("%q was read as %v", text, v)
		}
	})
}
