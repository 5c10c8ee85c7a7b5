package gate

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestJudge(t *testing.T) {
	for _, test := range []struct {
		version string
		want    Verdict
		rule    string
	}{
		{"0.0.0", Leaky, "older than 1.10.2"},
		{"1.9.9", Leaky, "older than 1.10.2"},
		{"1.10.0", Leaky, "older than 1.10.2"},
		{"1.10.1", Leaky, "older than 1.10.2"},
		{"1.10.2", Fixed, "backported"},
		{"1.10.99", Fixed, "backported"},
		{"1.11.0", Leaky, "series 1.11"},
		{"1.11.1", Leaky, "series 1.11"},
		{"1.11.2", Leaky, "series 1.11"},
		{"1.11.99", Leaky, "series 1.11"},
		{"1.12.0", Fixed, "1.12.0 or newer"},
		{"1.16.0", Fixed, "1.12.0 or newer"},
		{"2.0.0", Fixed, "1.12.0 or newer"},
		{"999.999.999", Fixed, "1.12.0 or newer"},
		{"4294967295.0.0", Unknown, "no kernel has"},
		{"0.0.6746368", Unknown, "no kernel has"},
		{"1.1000.0", Unknown, "no kernel has"},
	} {
		v, err := ParseVersion(test.version)
		if err != nil {
			t.Fatal(err)
		}
		got, rule := Judge(v)
		if got != test.want {
			t.Errorf("Judge(%s) = %v, want %v", test.version, got, test.want)
		}
		if !strings.Contains(rule, test.rule) || !strings.Contains(rule, test.version) {
			t.Errorf("Judge(%s): the reason %q names not both %q and the version", test.version, rule, test.rule)
		}
	}
}

// The rule again in the words of LVM2's and the kernel's history, compared
// with the one that Judge uses.
func TestJudgeAgreesWithTheRuleInWords(t *testing.T) {
	small := rapid.Uint32Range(0, 20)
	rapid.Check(t, func(t *rapid.T) {
		v := Version{rapid.Uint32Range(0, 3).Draw(t, "major"), small.Draw(t, "minor"), small.Draw(t, "patch")}
		fixed := v.Major > 1 ||
			v.Major == 1 && v.Minor >= 12 ||
			v.Major == 1 && v.Minor == 10 && v.Patch >= 2
		if got, _ := Judge(v); (got == Fixed) != fixed || got == Unknown {
			t.Fatalf("Judge(%v) = %v", v, got)
		}
	})
}

func TestWorst(t *testing.T) {
	for _, test := range []struct {
		verdicts []Verdict
		want     Verdict
	}{
		{nil, Unknown},
		{[]Verdict{Fixed, Fixed}, Fixed},
		{[]Verdict{Fixed, Unknown}, Unknown},
		{[]Verdict{Unknown, Leaky, Fixed}, Leaky},
	} {
		if got := Worst(test.verdicts...); got != test.want {
			t.Errorf("Worst(%v) = %v, want %v", test.verdicts, got, test.want)
		}
	}
}

func TestVerdictAsJSON(t *testing.T) {
	for _, want := range []Verdict{Unknown, Fixed, Leaky} {
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Verdict
		if err := json.Unmarshal(text, &got); err != nil || got != want {
			t.Errorf("%s came back as %v, %v", text, got, err)
		}
	}
	var v Verdict
	if err := json.Unmarshal([]byte(`"maybe"`), &v); err == nil {
		t.Error("the verdict maybe was accepted")
	}
}
