// Sheets: a text result as lines, each with a name and a text.

package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
)

// sheet is text in two columns that fits the terminal.
type sheet struct {
	strings.Builder
	width int
}

// line adds a row. A text that does not fit continues below itself.
func (s *sheet) line(name, format string, args ...any) {
	at := fmt.Sprintf("  %-*s", sheetIndent-2, name)
	for i, part := range wrapWords(output.Name(fmt.Sprintf(format, args...)), max(20, s.width-sheetIndent)) {
		if i > 0 {
			at = strings.Repeat(" ", sheetIndent)
		}
		s.WriteString(at + part + "\n")
	}
}

// wrapWords breaks a text at spaces into lines of at most width columns. A
// word that is longer makes a longer line.
func wrapWords(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}

// shellWord quotes a word where a shell would split it. A word that cannot be shown
// as it is has escapes in quotes of the kind $'...' (bash, zsh, POSIX.1-2024), so that
// what is shown still names the same file.
func shellWord(s string) string {
	if output.Name(s) != s {
		return "$'" + shellEscapes(s) + "'"
	}
	if s == "" || strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+:,=@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// shellEscapes writes the bytes that cannot be shown, quotes and backslashes in octal.
func shellEscapes(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		_, n := utf8.DecodeRuneInString(s)
		if part := s[:n]; output.Name(part) == part && part != "'" && part != `\` {
			b.WriteString(part)
		} else {
			for i := range n {
				fmt.Fprintf(&b, `\%03o`, part[i])
			}
		}
		s = s[n:]
	}
	return b.String()
}
