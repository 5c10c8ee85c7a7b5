package gate

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	_ "github.com/dmsnapctl/dmsnapctl/testdata/thorough/quick" // fewer checks, fewer collections
)

func TestAdvisories(t *testing.T) {
	const leak, cve, garbage, handover = LeakAdvisory, "CVE-2013-4299", "last-area-garbage", "handover-bug"
	for _, test := range []struct {
		version, release string
		id               string
		want             Applies
		why              string
	}{
		{"1.16.0", "", leak, DoesNotApply, "presumed fixed by version"},
		{"1.16.0", "", cve, DoesNotApply, "presumed fixed by version"},
		{"1.16.0", "", garbage, DoesNotApply, "presumed fixed by version"},
		{"1.16.0", "", handover, DoesNotApply, "presumed fixed by version"},

		{"1.11.1", "", leak, DoesApply, "presumed affected by version"},
		{"1.11.1", "", cve, CannotTell, "cannot be told"},
		{"1.11.1", "3.11.6", cve, DoesApply, "presumed affected by kernel release"},
		{"1.11.1", "3.11.7-200.fc19.x86_64", cve, DoesNotApply, "presumed fixed by kernel release"},
		{"1.11.1", "3.12.0", cve, DoesNotApply, "presumed fixed by kernel release"},
		{"1.10.2", "3.4.100", cve, DoesNotApply, "presumed fixed by version"},
		{"1.11.1", "6.1.176", cve, DoesNotApply, "presumed fixed by kernel release"},
		{"", "3.2.0-4-amd64", cve, DoesApply, "presumed affected by kernel release"},
		{"", "", leak, CannotTell, "cannot be told"},

		{"1.12.0", "3.14.0-rc3", garbage, DoesApply, "presumed affected by kernel release"},
		{"1.12.0", "3.14-rc5-amd64", garbage, DoesApply, "presumed affected by kernel release"},
		{"1.12.0", "3.14.0-0.rc3.git0.1.fc21", garbage, DoesApply, "presumed affected by kernel release"},
		{"1.12.0", "3.14.0", garbage, DoesNotApply, "presumed fixed by kernel release"},
		{"1.12.0", "3.13.11", garbage, DoesNotApply, "presumed not affected: the kernel release is older than the bug"},
		{"1.12.0", "", garbage, CannotTell, "cannot be told"},
		{"1.11.1", "", garbage, DoesNotApply, "presumed not affected: the version is older than the bug"},

		{"1.8.0", "", handover, DoesNotApply, "presumed not affected: the version is older than the bug"},
		{"1.9.0", "", handover, DoesApply, "presumed affected by version"},
		{"1.12.0", "", handover, DoesApply, "presumed affected by version"},
		{"1.13.0", "", handover, DoesNotApply, "presumed fixed by version"},

		{"1.16.0", "7.2.7", "unflushed-invalidation", DoesApply, "presumed affected by version"},
		{"1.9.0", "", "unflushed-creation", DoesApply, "presumed affected by version"},
		{"1.16.0", "", "torn-commit", DoesApply, "presumed affected by version"},
		{"", "6.1.0", "torn-commit", CannotTell, "cannot be told"},

		{"0.0.6746368", "", leak, CannotTell, "cannot be told"},
		{"0.0.6746368", "", handover, CannotTell, "cannot be told"},
		{"0.0.6746368", "3.11.6", cve, CannotTell, "cannot be told"},
		{"1.1000.0", "", "torn-commit", CannotTell, "cannot be told"},
	} {
		e := Evidence{Release: test.release}
		if test.version != "" {
			v, err := ParseVersion(test.version)
			if err != nil {
				t.Fatal(err)
			}
			e.Version = &v
		}
		a, err := FindAdvisory(strings.ToLower(test.id))
		if err != nil {
			t.Fatal(err)
		}
		got, why := a.Applies(e)
		if got != test.want || !strings.HasPrefix(why, test.why) {
			t.Errorf("%s on %q %q: %v, %q; want %v, %q", test.id, test.version, test.release, got, why, test.want, test.why)
		}
	}
	if _, err := FindAdvisory("CVE-0"); err == nil || !strings.Contains(err.Error(), cve) {
		t.Errorf("an unknown advisory: %v, want an error that names those there are", err)
	}
}

// The leak's advisory and the rule agree on every version.
func TestLeakAdvisoryAgreesWithJudge(t *testing.T) {
	leak, err := FindAdvisory(LeakAdvisory)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		patch := rapid.OneOf(rapid.Uint32Range(0, 4), rapid.Uint32Range(maxNumber-1, maxNumber+1))
		v := Version{rapid.Uint32Range(0, 2).Draw(t, "major"), rapid.Uint32Range(0, 20).Draw(t, "minor"), patch.Draw(t, "patch")}
		verdict, _ := Judge(v)
		want := map[Verdict]Applies{Leaky: DoesApply, Fixed: DoesNotApply, Unknown: CannotTell}[verdict]
		if applies, _ := leak.Applies(Evidence{Version: &v}); applies != want {
			t.Fatalf("%v is %v, and the advisory says %v", v, verdict, applies)
		}
	})
}

func TestAppliesAsJSON(t *testing.T) {
	got, err := json.Marshal([]Applies{DoesApply, DoesNotApply, CannotTell})
	if want := "[true,false,null]"; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]release{
		"3.14":                     {3, 14, 0, final},
		"3.14-1-amd64":             {3, 14, 0, final},
		"3.14.1":                   {3, 14, 1, final},
		"3.14.1.7":                 {3, 14, 1, final},
		"6.1.0-47-amd64":           {6, 1, 0, final},
		"4.18.0-80.el8.x86_64":     {4, 18, 0, final},
		"3.14.0-rc2":               {3, 14, 0, 2},
		"3.14-rc2+":                {3, 14, 0, 2},
		"2.6.32-5-amd64":           {2, 6, 32, final},
		"5.10.110-android12-9-gki": {5, 10, 110, final},
		"6.12~rc1-amd64":           {6, 12, 0, 1},
		"3.14.0-rc99999999999999":  {3, 14, 0, final},
	} {
		if got, err := parseRelease(text); err != nil || got != want {
			t.Errorf("parseRelease(%q) = %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "linux", "6", "6.", "6-1", ".1.2", "99999999999.1.2"} {
		if got, err := parseRelease(text); err == nil {
			t.Errorf("parseRelease(%q) = %v, want an error", text, got)
		}
	}
}
