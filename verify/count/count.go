// Package count writes numbers for people: with their nouns, and as sizes. It
// knows nothing of what is counted.
package count

import (
	"math"
	"strconv"
)

// Of returns n with its noun: "1 chunk", "2 chunks". A noun whose plural does
// not simply end in s has its plural as more.
func Of[N ~int | ~int64 | ~uint | ~uint32 | ~uint64](n N, noun string, more ...string) string {
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

// Bytes returns a size in bytes as "1.50 MiB": exact bytes below 1024, then three
// significant digits in 1024-based units.
func Bytes[N ~int | ~int64 | ~uint64](n N) string {
	units := []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	if n < 1024 {
		return Of(n, "byte")
	}
	v, i := float64(n)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return strconv.FormatFloat(v, 'f', precision(v), 64) + " " + units[i]
}

// precision keeps three significant digits, and none after the point where the
// value is whole.
func precision(v float64) int {
	switch {
	case v == math.Trunc(v) || v >= 100:
		return 0
	case v >= 10:
		return 1
	default:
		return 2
	}
}
