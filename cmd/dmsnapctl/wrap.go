// Text broken into lines for help texts.

package main

import (
	"strings"
	"unicode/utf8"
)

// wrap breaks a text into lines of at most helpWidth, with this indentation.
func wrap(text string, first, next int) string {
	var b strings.Builder
	line, indent := "", first
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = strings.Repeat(" ", indent) + word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > helpWidth:
			b.WriteString(line + "\n")
			indent = next
			line = strings.Repeat(" ", indent) + word
		default:
			line += " " + word
		}
	}
	return b.String() + line + "\n"
}
