package gate

// The order of kernel releases: which of two is newer.

import (
	"cmp"
	"strings"
)

// CompareReleases returns -1, 0 or +1 if release a is older than, equal to or
// newer than b. Releases are split into numbers and words. Numbers compare by
// value; a number is newer than a word ("427.13.1.el9" and "427.el9"), more
// segments are newer than fewer, and "~" comes before the end ("6.12~rc1"
// before "6.12"). This is rpm's order and, for the releases of Debian's
// kernels, dpkg's too. Upstream's "-rc" counts as "~rc", as in GRUB's menu.
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

// cutSegment splits the next "~", number or word off s; "" at the end.
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

// rank orders the kinds of segments: "~", the end, words, numbers.
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
