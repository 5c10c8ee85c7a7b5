package plan

import "testing"

// A program that does not lend itself to standing guard has nobody who does.
func TestNoGuardianWithoutTheCall(t *testing.T) {
	release, err := (&Linux{}).Guard(nil)
	if err == nil {
		t.Errorf("a guardian was started: %v", release())
	}
}
