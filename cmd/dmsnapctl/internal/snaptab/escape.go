package snaptab

import (
	"fmt"
	"path"
	"strings"
)

// unitName escapes text for a part of a unit name, as systemd.unit(5) says.
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

// pathName returns a path as part of a unit name.
func pathName(p string) string {
	if p = strings.Trim(path.Clean(p), "/"); p == "" {
		return "-"
	}
	return unitName(p)
}

// quote makes text one word of a setting that systemd splits into words: a
// command line, or a list of paths.
func quote(text string) string {
	text = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(text)
	if text == "" || strings.ContainsAny(text, " ;'\\\"") {
		return `"` + text + `"`
	}
	return text
}

// argument makes text one argument of a command, without replacement of
// variables.
func argument(text string) string { return strings.ReplaceAll(quote(text), "$", "$$") }
