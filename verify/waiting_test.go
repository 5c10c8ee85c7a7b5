package verify

import (
	"testing"
	"time"
)

func TestWaitingIsToldOnceAndNotByHiccups(t *testing.T) {
	told := 0
	w := waiting{tell: func() { told++ }}
	for range 100 { // every other job was interrupted
		w.took(10*slowRead, 1)
		w.took(time.Microsecond, 1)
	}
	if told != 0 {
		t.Fatalf("told of waiting by hiccups")
	}
	for range 3 * waitingScore {
		w.took(16*slowRead, 16)
	}
	if told != 1 {
		t.Errorf("told %d times of a slow device, want once", told)
	}
}
