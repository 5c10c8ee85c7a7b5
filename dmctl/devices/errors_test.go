package devices

import "testing"

func TestSaid(t *testing.T) {
	for output, want := range map[string]string{
		"": "", "\n": "", "one": "one", "one\n": "one",
		"  Volume group \"vg\" has no room.\n\n  Aborting.\r\n": `Volume group "vg" has no room.; Aborting.`,
	} {
		if got := Said([]byte(output)); got != want {
			t.Errorf("%q: %q, want %q", output, got, want)
		}
	}
}
