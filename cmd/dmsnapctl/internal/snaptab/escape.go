package snaptab

import (
	"fmt"
	"path"
	"strings"
)

// unitName escapes text as systemd.unit(5) says: for part of a unit's name.
func unitName(text string) string {
	var b strings.Builder
	for i, c := range []byte(text) {
		switch {
		case c == '/':
			b.WriteByte('-')
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == ':', c == '_', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String()
}

// pathName is a path as part of a unit's name.
func pathName(p string) string {
	if p = strings.Trim(path.Clean(p), "/"); p == "" {
		return "-"
	}
	return unitName(p)
}

// quote makes text one word of a setting that systemd takes apart: of a
// command line, of a list of paths.
func quote(text string) string {
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(text)
	if text == "" || strings.ContainsAny(text, " ;'\\\"") {
		return `"` + text + `"`
	}
	return text
}

// argument makes text one argument of a command, in which variables are not
// replaced.
func argument(text string) string { return strings.ReplaceAll(quote(text), "$", "$$") }
