// Package soak decides how many rounds an attack in a test makes, and reports
// the result. By default a test makes a tenth of its rounds; make soak runs
// all. The package knows numbers of rounds, and not what a round does.
package soak

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"
)

// Variable is the environment variable that sets the percentage of rounds that
// a test makes: 1 to 1000.
const Variable = "DMSNAPCTL_TEST_SOAK"

// usual is the percentage if the variable is not set.
const usual = 10

// Mark begins the line of an attack in a test's output. Its fields follow,
// separated by tabs: name, rounds, result and seconds.
const Mark = "soak:"

// Rounds returns how many rounds of an attack to make, given the number of the
// long form; at least 1. When the test ends, its output has the result.
func Rounds(t testing.TB, attack string, long int) int {
	t.Helper()
	n, err := part(os.Getenv(Variable), long)
	if err != nil {
		t.Fatal(err)
	}
	Report(t, attack, func() int { return n })
	return n
}

// Every returns the distance between the cases to try if there are many: 1 to
// try all of them.
func Every(t testing.TB) int {
	t.Helper()
	n, err := percent(os.Getenv(Variable))
	if err != nil {
		t.Fatal(err)
	}
	return max(1, 100/n)
}

// Report makes the test report at its end how many rounds an attack had, and
// the result.
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
		// Printed to the output itself: a test's log has a file position before
		// each line.
		fmt.Printf("\n%s\t%s\t%d\t%s\t%.0f\n", Mark, attack, rounds(), result, time.Since(start).Seconds())
	})
}

// part returns that percentage of long, at least 1.
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
