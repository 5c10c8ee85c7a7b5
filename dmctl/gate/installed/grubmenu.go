package installed

// Reading grub.cfg, a script of GRUB's shell. Only what makes the menu is
// understood: menuentry, submenu, linux, blscfg, and set default.

import "strings"

// menuParser builds the tree of entries.
type menuParser struct {
	menu grubMenu
	// open are the blocks around the current line: entries and submenus, and
	// nil for functions and the like.
	open []*entry
	bls  func() []entry
}

// parseGrubMenu reads a grub.cfg; bls returns the entries that the command
// blscfg adds.
func parseGrubMenu(config string, bls func() []entry) grubMenu {
	p := menuParser{bls: bls}
	for line := range strings.Lines(config) {
		p.line(words(line))
	}
	for len(p.open) > 0 { // cut off: what is there counts
		p.closeBlock()
	}
	return p.menu
}

// maxDepth bounds how deep blocks are followed; menus have two levels.
const maxDepth = 32

func (p *menuParser) line(w []string) {
	if len(w) == 0 {
		return
	}
	opens := w[len(w)-1] == "{"
	switch {
	case w[0] == "menuentry" || w[0] == "submenu":
		if opens {
			p.openBlock(&entry{title: at(w, 1), id: idOf(w)})
		}
	case opens:
		p.openBlock(nil)
	case w[0] == "}":
		p.closeBlock()
	case w[0] == "blscfg" && p.bls != nil:
		p.add(p.bls()...)
		p.bls = nil // once: a menu could ask for all the files in every line
	case w[0] == "set":
		p.set(at(w, 1))
	case w[0] == "linux" || w[0] == "linux16" || w[0] == "linuxefi":
		if n := len(p.open); n > 0 && p.open[n-1] != nil && p.open[n-1].file == "" {
			p.open[n-1].file = at(w, 1)
		}
	}
}

// set follows "default=…", of which there are two: the one-time choice comes
// in a branch of its own.
func (p *menuParser) set(assignment string) {
	value, ok := strings.CutPrefix(assignment, "default=")
	switch {
	case !ok:
	case value == "${next_entry}":
		p.menu.oneTime = true
	case p.menu.fallback == "":
		p.menu.fallback = value
	}
}

func (p *menuParser) openBlock(e *entry) {
	if len(p.open) < maxDepth {
		p.open = append(p.open, e)
	}
}

func (p *menuParser) closeBlock() {
	n := len(p.open)
	if n == 0 {
		return
	}
	e := p.open[n-1]
	p.open = p.open[:n-1]
	if e != nil {
		p.add(*e)
	}
}

// add puts entries into the innermost menu.
func (p *menuParser) add(entries ...entry) {
	for i := len(p.open) - 1; i >= 0; i-- {
		if p.open[i] != nil {
			p.open[i].children = append(p.open[i].children, entries...)
			return
		}
	}
	p.menu.entries = append(p.menu.entries, entries...)
}

// idOf returns the id in the words of a menuentry.
func idOf(w []string) string {
	for i, word := range w {
		if word == "--id" || word == "$menuentry_id_option" || word == "${menuentry_id_option}" {
			return at(w, i+1)
		}
	}
	return ""
}

func at(w []string, i int) string {
	if i < len(w) {
		return w[i]
	}
	return ""
}

// words splits a line as GRUB's shell does: blanks between, single and double
// quotes around, a backslash before a character, # starts a comment.
func words(line string) (out []string) {
	var word strings.Builder
	inWord, quote := false, byte(0)
	end := func() {
		if inWord {
			out = append(out, word.String())
		}
		word.Reset()
		inWord = false
	}
	for i := 0; i < len(line); i++ {
		c := line[i]
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'' && i+1 < len(line):
			i++
			word.WriteByte(line[i])
			inWord = true
		case quote == 0 && (c == '\'' || c == '"'):
			quote, inWord = c, true
		case quote == 0 && strings.IndexByte(" \t\r\n;", c) >= 0:
			end()
		case quote == 0 && c == '#' && !inWord:
			return out
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	end()
	return out
}
