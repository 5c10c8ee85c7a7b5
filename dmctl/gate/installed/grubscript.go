package installed

// The syntax of grub.cfg: words, commands, blocks and branches of GRUB's shell
// (GRUB manual, "Writing full configuration files directly").

import "strings"

// grubWord is a word before its variables are replaced.
type grubWord struct {
	parts []grubPart
	plain bool // nothing in it is quoted or a variable: it may be a keyword
}

// grubPart is text as it is, or the name of a variable.
type grubPart struct {
	text     string
	variable bool
	quoted   bool
}

// keyword is the word if it may be one.
func (w grubWord) keyword() string {
	if w.plain && len(w.parts) == 1 {
		return w.parts[0].text
	}
	return ""
}

type grubTokenKind uint8

const (
	grubEnd grubTokenKind = iota
	grubSeparator
	grubOpen
	grubClose
	grubText
)

type grubToken struct {
	kind grubTokenKind
	word grubWord
	size int // in bytes of the script
}

// grubLexer cuts a script into tokens.
type grubLexer struct {
	text string
	at   int
}

// next returns the next token: blanks lie between words, ";", line ends, "{"
// and "}" between commands, "#" starts a comment where a word could start.
func (l *grubLexer) next() grubToken {
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
			kind := grubSeparator
			switch c {
			case '{':
				kind = grubOpen
			case '}':
				kind = grubClose
			}
			return grubToken{kind: kind, size: 1}
		default:
			start := l.at
			word := l.word()
			return grubToken{grubText, word, l.at - start}
		}
	}
	return grubToken{}
}

// word reads one word, with quotes and variables. Between double quotes, a
// backslash is one but before what has a meaning there.
func (l *grubLexer) word() grubWord {
	w := grubWord{plain: true}
	var text strings.Builder
	quote := byte(0)
	flush := func(quoted bool) {
		if text.Len() > 0 || quoted {
			w.parts = append(w.parts, grubPart{text: text.String(), quoted: quoted})
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
			if name, size := grubVariable(l.text[l.at:]); size > 0 {
				flush(false)
				w.parts = append(w.parts, grubPart{text: name, variable: true, quoted: quote != 0})
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

// maxGrubName bounds the names of variables, with what is around them.
const maxGrubName = 256

// grubVariable reads "$name" or "${name}" at the start of s; a size of 0 says
// that there is none.
func grubVariable(s string) (name string, size int) {
	s = s[:min(len(s), maxGrubName)] // or else an open brace is looked for to the end, each time
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

// grubCommand is a command with its words, and the block behind it if it has
// one; or branches; or a loop.
type grubCommand struct {
	words    []grubWord
	block    []grubCommand
	hasBlock bool
	branches []grubBranch // if
	loop     bool         // block is repeated
	size     int          // in bytes of the script, without block and branches
}

// grubBranch is a condition and what it guards; the last may have none.
type grubBranch struct{ condition, body []grubCommand }

// grubParser builds commands out of tokens.
type grubParser struct {
	lexer  grubLexer
	token  grubToken // the one that comes next
	depth  int       // of blocks and branches
	budget int       // as in grubRun
	lost   string    // why the script was given up
}

// maxDepth bounds how deep blocks and branches are followed; menus have some
// four levels.
const maxDepth = 32

const tooMuchWork = "too much of it"

// parseGrub reads a script, and returns what is left of the budget: what it
// makes takes many times the memory of the script. lost says why it was given
// up. A script that ends too early counts as far as it goes.
func parseGrub(text string, budget int) (commands []grubCommand, left int, lost string) {
	p := grubParser{lexer: grubLexer{text: strings.ReplaceAll(text, unknownMark, "")}, budget: budget}
	p.advance()
	for p.token.kind != grubEnd {
		commands = append(commands, p.list()...)
		if p.token.kind == grubClose { // of nothing
			p.advance()
		}
	}
	return commands, p.budget, p.lost
}

func (p *grubParser) advance() {
	p.token = p.lexer.next()
	if p.token.kind == grubText {
		p.charge(wordWork + partWork*len(p.token.word.parts))
	}
}

func (p *grubParser) charge(work int) {
	if p.budget -= work; p.budget < 0 {
		p.lose(tooMuchWork)
	}
}

// lose gives up: nothing comes any more.
func (p *grubParser) lose(why string) {
	if p.lost == "" {
		p.lost = why
	}
	p.lexer.at, p.token = len(p.lexer.text), grubToken{}
}

// list reads commands up to one of the keywords, the end of the block, or the
// end of the script.
func (p *grubParser) list(ends ...string) (commands []grubCommand) {
	if p.depth++; p.depth > maxDepth {
		p.lose("blocks within blocks")
	}
	defer func() { p.depth-- }()
	for {
		switch {
		case p.token.kind == grubEnd || p.token.kind == grubClose:
			return commands
		case p.token.kind == grubSeparator:
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

// skip passes over a keyword that a list ended with.
func (p *grubParser) skip(keyword string) bool {
	if p.token.kind != grubText || p.token.word.keyword() != keyword {
		return false
	}
	p.advance()
	return true
}

func (p *grubParser) command() grubCommand {
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
		return p.loop([]grubCommand{c})
	}
	return p.simple()
}

func (p *grubParser) branches() (c grubCommand) {
	c.size = p.token.size
	for p.skip("if") || p.skip("elif") {
		condition := p.list("then")
		p.skip("then")
		c.branches = append(c.branches, grubBranch{condition, p.list("elif", "else", "fi")})
	}
	if p.skip("else") {
		c.branches = append(c.branches, grubBranch{nil, p.list("fi")})
	}
	p.skip("fi")
	return c
}

func (p *grubParser) loop(head []grubCommand) grubCommand {
	p.skip("do")
	c := grubCommand{loop: true, block: append(head, p.list("done")...)}
	p.skip("done")
	return c
}

// simple reads words, and a block behind them.
func (p *grubParser) simple() (c grubCommand) {
	for p.token.kind == grubText {
		c.words = append(c.words, p.token.word)
		c.size += p.token.size + 1
		p.advance()
	}
	if p.token.kind == grubOpen {
		c.hasBlock = true
		p.advance()
		c.block = p.list()
		if p.token.kind == grubClose {
			p.advance()
		}
	}
	return c
}
