package manual

import (
	"regexp"
	"strings"
	"sync"
)

// special are the characters that have a meaning in mdoc or that formatters
// replace. A hyphen would become a typographic one, and a command copied from
// the page would not work.
var special = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`)

// literal escapes a verbatim line.
func literal(line string) string {
	line = strings.TrimRight(special.Replace(line), " ")
	if strings.HasPrefix(line, ".") {
		return `\&` + line
	}
	return line
}

// prose escapes a line of running text. Hyphens within words stay unescaped.
func prose(line string) string {
	words := strings.Fields(line)
	for i, w := range words {
		if strings.HasPrefix(w, "-") || strings.ContainsAny(w, "/=<>") {
			words[i] = special.Replace(w)
		} else {
			words[i] = strings.NewReplacer(`\`, `\e`, "`", `\(ga`).Replace(w)
		}
	}
	line = strings.Join(words, " ")
	if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
		return `\&` + line
	}
	return line
}

// argument makes any text one argument of a macro.
func argument(text string) string {
	return `"` + strings.ReplaceAll(special.Replace(text), `"`, `""`) + `"`
}

// macroLike are short words that mdoc would take for a macro.
var macroLike = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Z][a-z]$|^[%A-Z][A-Z]$`) })

// word makes text an argument that is not read as a macro.
func word(text string) string {
	if macroLike().MatchString(text) {
		return `\&` + text
	}
	if text == "" || strings.ContainsAny(text, " \"\t") {
		return argument(text)
	}
	text = special.Replace(text)
	if strings.Contains(".,:;()[]?!|", text) { // mdoc treats delimiters specially
		return `\&` + text
	}
	return text
}
