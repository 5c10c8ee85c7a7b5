package main

import (
	"testing"
	"time"
)

func TestWaitingIsToldOnceAndNotByHiccups(t *testing.T) {
	told := 0
	r := &patientReader{wait: func() { told++ }}
	for range 100 { // every other read was interrupted
		r.took(10 * slowRead)
		r.took(time.Microsecond)
	}
	if told != 0 {
		t.Fatalf("told of waiting by hiccups")
	}
	for range 3 * waitingScore {
		r.took(slowRead)
	}
	if told != 1 {
		t.Errorf("told %d times of a slow device, want once", told)
	}
}
