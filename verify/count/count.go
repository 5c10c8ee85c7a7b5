// Package count puts numbers and their nouns into words. It knows nothing of
// what is counted.
package count

import "strconv"

// Of returns n with its noun: "1 chunk", "2 chunks". A noun whose plural does
// not simply end in s has its plural as more.
func Of[N ~int | ~int64 | ~uint64](n N, noun string, more ...string) string {
	switch {
	case n == 1:
	case len(more) > 0:
		noun = more[0]
	default:
		noun += "s"
	}
	if n < 0 {
		return strconv.FormatInt(int64(n), 10) + " " + noun
	}
	return strconv.FormatUint(uint64(n), 10) + " " + noun
}
