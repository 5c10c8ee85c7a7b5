package plan

import (
	"errors"
	"os"
	"testing"
	"time"
)

// A program that does not offer itself as a guardian has none.
func TestNoGuardianWithoutTheCall(t *testing.T) {
	release, err := (&Linux{}).Guard(nil)
	if err == nil {
		t.Errorf("a guardian was started: %v", release())
	}
}

// On a busy machine a guardian may need more than 10 seconds to start.
func TestSlowGuardian(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for 12 seconds")
	}
	t.Parallel()
	hear, answer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer hear.Close()
	written := make(chan error, 1)
	go func() {
		time.Sleep(12 * time.Second)
		_, err := answer.Write([]byte{sayReady})
		written <- errors.Join(err, answer.Close())
	}()
	if err := (&guarded{hear: hear}).awaitReady(); err != nil {
		t.Errorf("the run gave up: %v", err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
}

// A guardian that ends before it is ready is none.
func TestGuardianThatEnds(t *testing.T) {
	for _, last := range []string{"", "e"} {
		hear, answer, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_, err = answer.WriteString(last)
		if err := errors.Join(err, answer.Close()); err != nil {
			t.Fatal(err)
		}
		if err := (&guarded{hear: hear}).awaitReady(); err == nil {
			t.Errorf("%q: it counts as ready", last)
		}
		if err := hear.Close(); err != nil {
			t.Error(err)
		}
	}
}
