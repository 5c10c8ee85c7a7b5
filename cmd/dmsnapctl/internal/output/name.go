package output

// Foreign names (devices, files, kernels, marks) as text.

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name returns a foreign text as one line that cannot control a terminal.
// Control characters, C1 bytes, bidi controls, line separators and bytes that
// are not UTF-8 become escapes in Go's form (\n, \x1b, \u202e, \xff). In a
// locale that is not UTF-8, so does everything but ASCII. A backslash is not
// escaped: the result is for people, not for parsers.
func Name(s string) string { return shown(s, UTF8(), false) }

// Text is Name for text that is UTF-8 in every locale: pictures, pages, and
// formats for machines.
func Text(s string) string { return shown(s, true, false) }

// shown escapes what must not be shown raw. With controls, it keeps the control
// characters of ASCII.
func shown(s string, utf8Locale, controls bool) string {
	passes := func(r rune) bool {
		return strconv.IsPrint(r) && (utf8Locale || r < utf8.RuneSelf) || controls && r < ' '
	}
	if utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !passes(r) }) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[0])|0x100, 16)[1:])
		case passes(r):
			b.WriteRune(r)
		default:
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[n:]
	}
	return b.String()
}

// OneLine returns the text of an error as one line that cannot control a
// terminal. Semicolons separate the errors that errors.Join joined; any other
// newline belongs to a name, and becomes an escape.
func OneLine(err error) string { return Name(joined(err)) }

// joined returns the text of an error with semicolons in place of the newlines
// that errors.Join puts between errors.
func joined(err error) string {
	text := err.Error()
	if !strings.Contains(text, "\n") {
		return text
	}
	var parts []error
	switch e := err.(type) { // this error, not one that it wraps
	case interface{ Unwrap() error }:
		parts = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		parts = e.Unwrap()
	}
	var raw, flat []string
	for _, part := range parts {
		if part != nil {
			raw, flat = append(raw, part.Error()), append(flat, joined(part))
		}
	}
	if text == strings.Join(raw, "\n") {
		return strings.Join(flat, "; ")
	}
	for i := range raw {
		text = strings.Replace(text, raw[i], flat[i], 1)
	}
	return text
}
