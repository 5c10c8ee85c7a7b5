package gate

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestCompareReleases(t *testing.T) {
	ascending := [][]string{
		{"6.1.0-9-amd64", "6.1.0-10-amd64", "6.1.0-47-amd64", "6.12.117+deb12-amd64", "6.12.117+deb12-cloud-amd64"},
		{"5.14.0-362.8.1.el9_3.x86_64", "5.14.0-427.el9.x86_64", "5.14.0-427.13.1.el9_4.x86_64", "5.14.0-503.el9.x86_64"},
		{"3.10.0-957.el7.x86_64", "3.10.0-1160.el7.x86_64", "4.18.0-80.el8.x86_64"},
		{"6.12.0-rc2", "6.12.0-rc10", "6.12.0", "6.12.1"},
		{"6.12~rc1-amd64", "6.12-amd64"},
		{"5.4.0-9-generic", "5.4.0-042-generic", "5.4.0-100-generic"},
		{"6.1.176", "6.1.176-arch1-1", "6.1.176.1"},
		{"6.9.7-arch1-1", "6.10.2-arch1-1"},
	}
	for _, want := range ascending {
		got := slices.Clone(want)
		slices.Reverse(got)
		slices.SortFunc(got, CompareReleases)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestCompareReleasesIsAnOrder(t *testing.T) {
	release := rapid.StringMatching(`([0-9]{1,3}|[a-c]{1,2}|[.+~-]|-rc){0,6}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := release.Draw(t, "a"), release.Draw(t, "b"), release.Draw(t, "c")
		if CompareReleases(a, b) != -CompareReleases(b, a) {
			t.Fatalf("%q and %q: not antisymmetric", a, b)
		}
		if (CompareReleases(a, b) == 0) != (a == b) {
			t.Fatalf("%q and %q compare as %d", a, b, CompareReleases(a, b))
		}
		if CompareReleases(a, b) < 0 && CompareReleases(b, c) < 0 && CompareReleases(a, c) >= 0 {
			t.Fatalf("%q < %q < %q: not transitive", a, b, c)
		}
	})
}
