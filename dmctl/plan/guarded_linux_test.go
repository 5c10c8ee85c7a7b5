package plan

import "testing"

// A program that does not offer itself as a guardian has none.
func TestNoGuardianWithoutTheCall(t *testing.T) {
	release, err := (&Linux{}).Guard(nil)
	if err == nil {
		t.Errorf("a guardian was started: %v", release())
	}
}
