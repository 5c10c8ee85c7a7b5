package dmctl

import (
	"errors"
	"testing"
)

// The guardian is started before anything is changed. If it cannot be started,
// every plan that holds I/O leaves the machine and the COW device as they
// were.
func TestNothingChangesWithoutGuardian(t *testing.T) {
	refused := 0
	for _, s := range scenarios() {
		m := s.machine(t)
		before, zeroed := m.String(), m.Zeroed
		m.NoGuard = errors.New("no process can be started")
		err, _ := s.run(m)
		if err == nil {
			continue // it holds no I/O
		}
		refused++
		if !errors.Is(err, ErrNoGuardian) || !errors.Is(err, m.NoGuard) {
			t.Errorf("%s: error %v", s.name, err)
		}
		if len(m.Zeroed) > len(zeroed) || m.String() != before {
			t.Errorf("%s: zeroed %v; devices:\n%s\nbefore:\n%s", s.name, m.Zeroed[len(zeroed):], m, before)
		}
	}
	if refused < 5 {
		t.Errorf("only %d plans needed a guardian", refused)
	}
}
