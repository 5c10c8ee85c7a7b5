// Sheets: a text result as lines of a name and what is said of it.

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

// line adds a row; a text that does not fit goes on below itself.
func (s *sheet) line(name, format string, args ...any) {
	at := fmt.Sprintf("  %-*s", sheetIndent-2, name)
	for i, part := range wrapWords(output.Name(fmt.Sprintf(format, args...)), max(20, s.width-sheetIndent)) {
		if i > 0 {
			at = strings.Repeat(" ", sheetIndent)
		}
		s.WriteString(at + part + "\n")
	}
}

// wrapWords breaks a text at blanks into lines of at most width columns, where
// its words are no longer than that.
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

// shellWord quotes a word where a shell would split it.
func shellWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+:,=@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
