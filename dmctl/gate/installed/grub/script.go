package grub

// The syntax of grub.cfg: words, commands, blocks and branches of GRUB's shell
// (GRUB manual, "Writing full configuration files directly").

import "strings"

// word is a word before its variables are replaced.
type word struct {
	parts []part
	plain bool // without quotes and variables: it may be a keyword
}

// part is literal text, or the name of a variable.
type part struct {
	text     string
	variable bool
	quoted   bool
}

// keyword returns the word if it may be a keyword.
func (w word) keyword() string {
	if w.plain && len(w.parts) == 1 {
		return w.parts[0].text
	}
	return ""
}

type tokenKind uint8

const (
	endOfScript tokenKind = iota
	separator
	openBrace
	closeBrace
	textToken
)

type token struct {
	kind tokenKind
	word word
	size int // in bytes of the script
}

// lexer splits a script into tokens.
type lexer struct {
	text string
	at   int
}

// next returns the next token. Blanks separate words; ";", line ends, "{" and
// "}" separate commands; "#" starts a comment where a word could start.
func (l *lexer) next() token {
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch {
		case strings.HasPrefix(l.text[l.at:], "\\\n"):
			l.at += 2
		case c == ' ' || c == '\t' || c == '\r':
			l.at++
		case c == '#':
			if end := strings.IndexByte(l.text[l.at:], '\n'); end >= 0 {
				l.at += end
			} else {
				l.at = len(l.text)
			}
		case strings.IndexByte("\n;&|{}", c) >= 0:
			l.at++
			kind := separator
			switch c {
			case '{':
				kind = openBrace
			case '}':
				kind = closeBrace
			}
			return token{kind: kind, size: 1}
		default:
			start := l.at
			word := l.word()
			return token{textToken, word, l.at - start}
		}
	}
	return token{}
}

// word reads one word, with quotes and variables. In double quotes, a backslash
// escapes only characters that have a meaning there.
func (l *lexer) word() word {
	w := word{plain: true}
	var text strings.Builder
	quote := byte(0)
	flush := func(quoted bool) {
		if text.Len() > 0 || quoted {
			w.parts = append(w.parts, part{text: text.String(), quoted: quoted})
			text.Reset()
		}
	}
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch {
		case quote != 0 && c == quote:
			flush(true)
			quote = 0
		case quote == '\'':
			text.WriteByte(c)
		case c == '\\' && l.at+1 < len(l.text) && (quote == 0 || strings.IndexByte("$\"\\\n", l.text[l.at+1]) >= 0):
			l.at++
			if w.plain = false; l.text[l.at] != '\n' {
				text.WriteByte(l.text[l.at])
			}
		case c == '$':
			if name, size := variable(l.text[l.at:]); size > 0 {
				flush(false)
				w.parts = append(w.parts, part{text: name, variable: true, quoted: quote != 0})
				w.plain = false
				l.at += size
				continue
			}
			text.WriteByte(c)
		case quote == 0 && (c == '\'' || c == '"'):
			flush(false)
			quote, w.plain = c, false
		case quote == 0 && strings.IndexByte(" \t\r\n;&|{}", c) >= 0:
			flush(false)
			return w
		default:
			text.WriteByte(c)
		}
		l.at++
	}
	flush(false)
	return w
}

// maxName bounds the name of a variable, including the characters around it.
const maxName = 256

// variable reads "$name" or "${name}" at the start of s. A size of 0 means that
// there is none.
func variable(s string) (name string, size int) {
	s = s[:min(len(s), maxName)] // else each open brace would be searched to the end
	if strings.HasPrefix(s, "${") {
		if end := strings.IndexAny(s, "}\n"); end >= 0 && s[end] == '}' {
			return s[2:end], end + 1
		}
		return "", 0
	}
	end := 1
	for end < len(s) && (isLetter(s[end]) || isDigit(s[end]) || s[end] == '_') {
		end++
	}
	if end == 1 && len(s) > 1 && strings.IndexByte("?*@#", s[1]) >= 0 {
		end = 2
	}
	if end == 1 {
		return "", 0
	}
	return s[1:end], end
}

// command is a command with its words and, if it has one, the block after it;
// or branches; or a loop.
type command struct {
	words    []word
	block    []command
	hasBlock bool
	branches []branch // if
	loop     bool     // block is repeated
	size     int      // in bytes of the script, without block and branches
}

// branch is a condition and its block. The last branch may have no condition.
type branch struct{ condition, body []command }

// parser builds commands from tokens.
type parser struct {
	lexer  lexer
	token  token  // the next one
	depth  int    // of blocks and branches
	budget int    // as in Run
	lost   string // why the script was given up
}

// maxDepth bounds the nesting of blocks and branches. Menus have about four
// levels.
const maxDepth = 32

const tooMuchWork = "too much of it"

// parse reads a script, and returns the rest of the budget: the result takes
// many times the memory of the script. lost says why it gave up. A script that
// ends too early counts as far as it goes.
func parse(text string, budget int) (commands []command, left int, lost string) {
	p := parser{lexer: lexer{text: strings.ReplaceAll(text, unknownMark, "")}, budget: budget}
	p.advance()
	for p.token.kind != endOfScript {
		commands = append(commands, p.list()...)
		if p.token.kind == closeBrace { // without an opening one
			p.advance()
		}
	}
	return commands, p.budget, p.lost
}

func (p *parser) advance() {
	p.token = p.lexer.next()
	if p.token.kind == textToken {
		p.charge(wordWork + partWork*len(p.token.word.parts))
	}
}

func (p *parser) charge(work int) {
	if p.budget -= work; p.budget < 0 {
		p.lose(tooMuchWork)
	}
}

// lose gives up: there are no more tokens.
func (p *parser) lose(why string) {
	if p.lost == "" {
		p.lost = why
	}
	p.lexer.at, p.token = len(p.lexer.text), token{}
}

// list reads commands up to one of the keywords, the end of the block, or the
// end of the script.
func (p *parser) list(ends ...string) (commands []command) {
	if p.depth++; p.depth > maxDepth {
		p.lose("blocks within blocks")
	}
	defer func() { p.depth-- }()
	for {
		switch {
		case p.token.kind == endOfScript || p.token.kind == closeBrace:
			return commands
		case p.token.kind == separator:
			p.advance()
			continue
		}
		for _, end := range ends {
			if p.token.word.keyword() == end {
				return commands
			}
		}
		commands = append(commands, p.command())
	}
}

// skip skips a keyword that ended a list.
func (p *parser) skip(keyword string) bool {
	if p.token.kind != textToken || p.token.word.keyword() != keyword {
		return false
	}
	p.advance()
	return true
}

func (p *parser) command() command {
	p.charge(commandWork)
	switch keyword := p.token.word.keyword(); keyword {
	case "if":
		return p.branches()
	case "while", "until":
		p.advance()
		return p.loop(p.list("do"))
	case "for":
		c := p.simple()
		p.list("do")
		return p.loop([]command{c})
	}
	return p.simple()
}

func (p *parser) branches() (c command) {
	c.size = p.token.size
	for p.skip("if") || p.skip("elif") {
		condition := p.list("then")
		p.skip("then")
		c.branches = append(c.branches, branch{condition, p.list("elif", "else", "fi")})
	}
	if p.skip("else") {
		c.branches = append(c.branches, branch{nil, p.list("fi")})
	}
	p.skip("fi")
	return c
}

func (p *parser) loop(head []command) command {
	p.skip("do")
	c := command{loop: true, block: append(head, p.list("done")...)}
	p.skip("done")
	return c
}

// simple reads words and the block after them.
func (p *parser) simple() (c command) {
	for p.token.kind == textToken {
		c.words = append(c.words, p.token.word)
		c.size += p.token.size + 1
		p.advance()
	}
	if p.token.kind == openBrace {
		c.hasBlock = true
		p.advance()
		c.block = p.list()
		if p.token.kind == closeBrace {
			p.advance()
		}
	}
	return c
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
