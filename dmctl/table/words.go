package table

// The words of a line, quoted as the kernel reads them: a backslash escapes the
// next byte (drivers/md/dm-table.c: dm_split_args).

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// SyntaxError describes what is wrong with a table line. Line and Word count
// from 1; Word is 0 if the error concerns the whole line.
type SyntaxError struct {
	Line, Word int
	Device     string // whose table it is; "" if the text does not say
	Text       string // the word that is wrong, or ""
	Rule       string // what the rule is, or how it is broken
}

func (e *SyntaxError) Error() string {
	s := fmt.Sprintf("line %d", e.Line)
	if e.Device != "" {
		s += fmt.Sprintf(", device %q", e.Device)
	}
	if e.Word > 0 {
		s += fmt.Sprintf(", word %d", e.Word)
	}
	if e.Text != "" {
		s += fmt.Sprintf(" %q", e.Text)
	}
	return s + ": " + e.Rule
}

// spaces separate words.
const spaces = " \t\n\v\f\r"

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// trimSpaces removes white space from both ends, except a byte at the end that
// a backslash makes part of a word.
func trimSpaces(s string) string {
	s = strings.TrimLeft(s, spaces)
	trimmed := strings.TrimRight(s, spaces)
	slashes := len(trimmed) - len(strings.TrimRight(trimmed, `\`))
	if slashes%2 == 1 && len(trimmed) < len(s) {
		return s[:len(trimmed)+1]
	}
	return trimmed
}

// splitWords splits a line into its words, without their backslashes.
func splitWords(line string) []string {
	var words []string
	var word []byte
	in := false
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case c == '\\' && i+1 < len(line):
			i++
			word, in = append(word, line[i]), true
		case isSpace(c):
			if in {
				words = append(words, string(word))
			}
			word, in = word[:0], false
		default:
			word, in = append(word, c), true
		}
	}
	if in {
		words = append(words, string(word))
	}
	return words
}

// quote is the inverse of splitWords for one word.
func quote(word string) string {
	if !strings.ContainsAny(word, spaces+`\`) {
		return word
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if isSpace(word[i]) || word[i] == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(word[i])
	}
	return b.String()
}

// cursor reads a target's parameters word by word and keeps the first error.
type cursor struct {
	words []string
	next  int
	base  int // words of the line before the first parameter
	err   *SyntaxError
}

func (c *cursor) fail(index int, rule string, args ...any) {
	if c.err != nil {
		return
	}
	e := &SyntaxError{Word: c.base + index + 1, Rule: fmt.Sprintf(rule, args...)}
	if index < len(c.words) {
		e.Text = c.words[index]
	}
	c.err = e
}

// left is the number of words not yet read.
func (c *cursor) left() int { return len(c.words) - c.next }

// word reads the next word; the error names it as what if there is none.
func (c *cursor) word(what string) string {
	if c.left() == 0 {
		c.fail(c.next, "%s is missing", what)
		return ""
	}
	c.next++
	return c.words[c.next-1]
}

// number reads a decimal number not above limit.
func (c *cursor) number(what string, limit uint64) uint64 {
	s := c.word(what)
	if c.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || s[0] == '+' {
		c.fail(c.next-1, "%s is not a number", what)
	} else if n > limit {
		c.fail(c.next-1, "%s exceeds %d", what, limit)
	}
	return n
}

// device reads a device: a path or MAJOR:MINOR.
func (c *cursor) device(what string) string {
	s := c.word(what)
	if c.err == nil && (s == "" || strings.ContainsAny(s, "\n\x00")) {
		c.fail(c.next-1, "%s is neither a path nor MAJOR:MINOR", what)
	}
	return s
}

// counted reads optional words that follow their number: nothing, or N and N
// words.
func (c *cursor) counted(what string) []string {
	if c.left() == 0 {
		return nil
	}
	at := c.next
	n := c.number("the number of "+what, uint64(len(c.words)))
	if c.err == nil && int(n) != c.left() {
		c.fail(at, "the number of %s is %d, but it is followed by %s", what, n, count.Of(c.left(), "word"))
	}
	if c.err != nil || n == 0 {
		return nil
	}
	rest := c.words[c.next:]
	c.next = len(c.words)
	return append([]string(nil), rest...)
}

// end fails if words are left.
func (c *cursor) end() {
	if c.left() > 0 {
		c.fail(c.next, "nothing may follow here")
	}
}

// countedParams is the inverse of counted: "" or " N word...".
func countedParams(words []string) string {
	if len(words) == 0 {
		return ""
	}
	return " " + strconv.Itoa(len(words)) + " " + joinWords(words)
}

func joinWords(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = quote(w)
	}
	return strings.Join(quoted, " ")
}
