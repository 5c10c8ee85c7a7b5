// Package soak says how often a test attacks what it tests, and tells what came
// of it. Everyday runs of a test make a tenth of its rounds; make soak makes all.
// It knows numbers of rounds and nothing of what a round does.
package soak

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// Variable is the environment variable that says how many percent of its rounds
// a test makes: 1 to 1000.
const Variable = "DMSNAPCTL_TEST_SOAK"

// usual is the percentage where nobody says another.
const usual = 10

// Mark begins the line of an attack in a test's output; its fields follow, with
// tabs between: name, rounds, result and seconds.
const Mark = "soak:"

// Rounds is how many of an attack's rounds are to be made, of as many in the long
// form; 1 at least. When the test ends, its output says what came of it.
func Rounds(t testing.TB, attack string, long int) int {
	t.Helper()
	n, err := part(os.Getenv(Variable), long)
	if err != nil {
		t.Fatal(err)
	}
	Report(t, attack, func() int { return n })
	return n
}

// Every is the distance between those of many cases that are to be tried: 1 for
// all of them.
func Every(t testing.TB) int {
	t.Helper()
	n, err := percent(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	return max(1, 100/n)
}

// Report has the test say at its end how many rounds an attack was and what came
// of it.
func Report(t testing.TB, attack string, rounds func() int) {
	start := time.Now()
	t.Cleanup(func() {
		result := "stood"
		switch {
		case t.Failed():
			result = "FAILED"
		case t.Skipped():
			result = "not applicable"
		}
		// To the output itself: a test's log has a place in front of each line.
		fmt.Printf("\n%s\t%s\t%d\t%s\t%.0f\n", Mark, attack, rounds(), result, time.Since(start).Seconds())
	})
}

// part is that percentage of long, at least 1.
func part(text string, long int) (int, error) {
	n, err := percent(text)
	return max(1, (long*n+99)/100), err
}

func percent(text string) (int, error) {
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1000 {
		return 0, fmt.Errorf("%s=%s: want a percentage from 1 to 1000", Variable, text)
	}
	return n, nil
}
