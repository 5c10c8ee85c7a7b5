package gate

// The order of kernel releases: which of two is the newer one.

import (
	"cmp"
	"strings"
)

// CompareReleases returns -1, 0 or +1 as release a is older than, equal to or
// newer than b. Releases are split into numbers and words; numbers compare as
// such, a number is newer than a word ("427.13.1.el9" than "427.el9"), more is
// newer than less, and "~" comes before the end ("6.12~rc1" before "6.12").
// That is the order in which rpm puts versions, and for the releases that
// Debian gives its kernels dpkg's as well. Upstream's "-rc" counts as "~rc",
// as in GRUB's menu.
func CompareReleases(a, b string) int {
	x, y := strings.ReplaceAll(a, "-rc", "~rc"), strings.ReplaceAll(b, "-rc", "~rc")
	for {
		var p, q string
		p, x = cutSegment(x)
		q, y = cutSegment(y)
		if order := compareSegments(p, q); order != 0 {
			return order
		}
		if p == "" && q == "" {
			return strings.Compare(a, b) // differ in separators only, if at all
		}
	}
}

// cutSegment cuts the next "~", number or word off s; "" at the end.
func cutSegment(s string) (segment, rest string) {
	for s != "" && s[0] != '~' && !isDigit(s[0]) && !isLetter(s[0]) {
		s = s[1:]
	}
	if s == "" {
		return "", ""
	}
	class := isLetter
	switch {
	case s[0] == '~':
		return "~", s[1:]
	case isDigit(s[0]):
		class = isDigit
	}
	end := 1
	for end < len(s) && class(s[end]) {
		end++
	}
	return s[:end], s[end:]
}

// rank puts the kinds of segments in order: "~", the end, words, numbers.
func rank(segment string) int {
	switch {
	case segment == "~":
		return 0
	case segment == "":
		return 1
	case isLetter(segment[0]):
		return 2
	default:
		return 3
	}
}

func compareSegments(p, q string) int {
	if order := cmp.Compare(rank(p), rank(q)); order != 0 {
		return order
	}
	if p != "" && isDigit(p[0]) {
		p, q = strings.TrimLeft(p, "0"), strings.TrimLeft(q, "0")
		if order := cmp.Compare(len(p), len(q)); order != 0 {
			return order // without leading zeros, the longer number is the larger
		}
	}
	return strings.Compare(p, q)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
