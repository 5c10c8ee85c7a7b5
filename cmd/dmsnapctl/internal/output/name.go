package output

// Names from outside (devices, files, kernels, marks) as text.

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name shows a text from outside in one line that commands nothing: control
// characters, C1 bytes, bidi controls, line separators and bytes that are no
// UTF-8 become escapes as Go writes them (\n, \x1b, \u202e, \xff). So does all
// but ASCII in a locale that is not UTF-8. A backslash stays what it is: escapes
// are for eyes, not for reading back.
func Name(s string) string { return shown(s, UTF8(), false) }

// Text is Name for what is UTF-8 whatever the locale: pictures, pages, and the
// formats of machines.
func Text(s string) string { return shown(s, true, false) }

// shown escapes what must not be seen raw. Some texts keep the control
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

// OneLine is the text of an error in one line that commands nothing; what
// stood on several lines is joined by semicolons.
func OneLine(err error) string {
	return Name(strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
}
