package manual

import (
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
)

// indent is the indentation of the lines of a help text.
const indent = "   "

// heading matches a line of a help text that begins a section.
var heading = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Z][A-Z ]+):$`) })

// section is the part of a help text under one heading.
type section struct {
	title  string // "" before the first heading
	blocks [][]string
}

// sections splits a help text. Blank lines end blocks, and lines lose the
// common indent.
func sections(text string) []section {
	all := []section{{}}
	var block []string
	end := func() {
		if len(block) > 0 {
			last := &all[len(all)-1]
			last.blocks = append(last.blocks, block)
		}
		block = nil
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if m := heading().FindStringSubmatch(line); m != nil {
			end()
			all = append(all, section{title: m[1]})
			continue
		}
		if line == "" {
			end()
			continue
		}
		block = append(block, strings.TrimPrefix(line, indent))
	}
	end()
	return all
}

// writeBlocks writes the blocks of a section as paragraphs. Lines that are
// indented further, and all lines of examples, stay verbatim.
func writeBlocks(w io.Writer, s section, verbatim bool) {
	for i, block := range s.blocks {
		var running []string
		flush := func() {
			writeSentences(w, strings.Join(running, " "))
			running = nil
		}
		if verbatim { // a display already has space before it
			writeLiteral(w, block)
			continue
		}
		if i > 0 {
			fmt.Fprintln(w, ".Pp")
		}
		for len(block) > 0 {
			n := 0
			for n < len(block) && strings.HasPrefix(block[n], " ") {
				n++
			}
			if n == 0 {
				running = append(running, block[0])
				block = block[1:]
				continue
			}
			flush()
			writeLiteral(w, block[:n])
			block = block[n:]
		}
		flush()
	}
}

// lineLength is the most characters in a line of the page's source, without
// escapes.
const lineLength = 72

// sentenceEnd matches the places where mdoc needs a new line.
var sentenceEnd = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`([.?!:]["')]?) +([A-Z"'(])`) })

func writeSentences(w io.Writer, text string) {
	if text == "" {
		return
	}
	for sentence := range strings.Lines(sentenceEnd().ReplaceAllString(text, "$1\n$2")) {
		var line string
		for _, word := range strings.Fields(sentence) {
			if line != "" && len(line)+len(word) >= lineLength {
				fmt.Fprintln(w, prose(line))
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		fmt.Fprintln(w, prose(line))
	}
}

func writeLiteral(w io.Writer, lines []string) {
	fmt.Fprintln(w, ".Bd -literal")
	for _, line := range unindent(lines) {
		fmt.Fprintln(w, literal(line))
	}
	fmt.Fprintln(w, ".Ed")
}

// unindent removes the leading spaces that all lines share.
func unindent(lines []string) []string {
	common := -1
	for _, line := range lines {
		if n := len(line) - len(strings.TrimLeft(line, " ")); common < 0 || n < common {
			common = n
		}
	}
	out := make([]string, len(lines))
	for i, line := range lines {
		out[i] = line[common:]
	}
	return out
}
