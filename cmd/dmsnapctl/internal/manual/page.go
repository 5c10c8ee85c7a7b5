package manual

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Page is a manual page of section 8.
type Page struct {
	Name      string // as typed on a command line: "dmsnapctl crash explore"
	Summary   string
	Arguments string // positional arguments, as in the help text: "STORE", "[NAME]"
	Text      string // a help text with its headings
	Flags     []Flag
	Groups    []Group // of commands
	Exits     []Exit
	SeeAlso   []string // titles with their section: "dmsnap-store(5)"
	Date      time.Time
}

// Flag is one flag with all its names.
type Flag struct {
	Names   []string // without dashes, the long one first
	Value   string   // a placeholder, "" for a switch
	Text    string
	Default string // "" for none
}

// Group is the commands under one heading.
type Group struct {
	Title    string
	Commands []Command
}

// Command is a command that has its own page.
type Command struct{ Name, Summary string }

// Exit is an exit code, or a letter that stands for one, and its meaning.
type Exit struct{ Code, Text string }

// Section is the manual section of Page: system administration.
const Section = "8"

// Title returns the title of the page, such as "dmsnapctl-crash-explore".
func (p Page) Title() string { return strings.ReplaceAll(p.Name, " ", "-") }

// Mdoc returns the page in mdoc(7).
func (p Page) Mdoc() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, ".Dd %s\n.Dt %s %s\n.Os\n", p.Date.UTC().Format("January 2, 2006"), strings.ToUpper(p.Title()), Section)
	fmt.Fprintf(&b, ".Sh NAME\n.Nm %s\n.Nd %s\n", p.Title(), prose(p.Summary))
	p.synopsis(&b)
	texts := sections(p.Text)
	b.WriteString(".Sh DESCRIPTION\n")
	if len(texts[0].blocks) == 0 {
		writeSentences(&b, sentence(p.Summary))
	}
	writeBlocks(&b, texts[0], false)
	var examples []section
	for _, s := range texts[1:] {
		if s.title == "EXAMPLES" {
			examples = append(examples, s)
			continue
		}
		fmt.Fprintf(&b, ".Ss %s\n", s.title[:1]+strings.ToLower(s.title[1:]))
		writeBlocks(&b, s, false)
	}
	p.commands(&b)
	p.flags(&b)
	p.exits(&b)
	for _, s := range examples { // mdoc's order: after the exit status
		b.WriteString(".Sh EXAMPLES\n")
		writeBlocks(&b, s, true)
	}
	p.seeAlso(&b)
	return b.Bytes()
}

// sentence turns a summary into a sentence.
func sentence(summary string) string {
	return strings.ToUpper(summary[:1]) + summary[1:] + "."
}

func (p Page) synopsis(w io.Writer) {
	fmt.Fprintf(w, ".Sh SYNOPSIS\n.Nm %s\n", p.Name)
	if len(p.Flags) > 0 {
		fmt.Fprintln(w, `.Op Ar flags`)
	}
	if len(p.Groups) > 0 {
		fmt.Fprintln(w, `.Ar COMMAND`)
	}
	for _, f := range strings.Fields(p.Arguments) {
		operand(w, f)
	}
}

// operand writes one word of the arguments. A word in brackets is optional, and
// may contain several words.
func operand(w io.Writer, f string) {
	inner, opens := strings.CutPrefix(f, "[")
	inner, closes := strings.CutSuffix(inner, "]")
	macro := "Ar"
	if inner == "..." || inner == "--" {
		macro = "No"
	}
	switch {
	case opens && closes:
		fmt.Fprintf(w, ".Op %s %s\n", macro, word(inner))
		return
	case opens:
		fmt.Fprintln(w, ".Oo")
	}
	fmt.Fprintf(w, ".%s %s\n", macro, word(inner))
	if closes {
		fmt.Fprintln(w, ".Oc")
	}
}

func (p Page) commands(w io.Writer) {
	for _, g := range p.Groups {
		title := g.Title
		if title == "" {
			title = "Commands"
		}
		fmt.Fprintf(w, ".Ss %s\n.Bl -tag -width Ds\n", prose(title))
		for _, c := range g.Commands {
			fmt.Fprintf(w, ".It Xr %s %s\n", strings.ReplaceAll(p.Name+" "+c.Name, " ", "-"), Section)
			writeSentences(w, sentence(c.Summary))
		}
		fmt.Fprintln(w, ".El")
	}
}

func (p Page) flags(w io.Writer) {
	if len(p.Flags) == 0 {
		return
	}
	fmt.Fprintln(w, ".Ss Flags\n.Bl -tag -width Ds")
	for _, f := range p.Flags {
		fmt.Fprint(w, ".It")
		for i, name := range f.Names {
			if i > 0 {
				fmt.Fprint(w, " ,")
			}
			if len(name) > 1 {
				name = "-" + name
			}
			fmt.Fprintf(w, " Fl %s", word(name))
			if f.Value != "" {
				fmt.Fprintf(w, " Ar %s", word(f.Value))
			}
		}
		fmt.Fprintln(w)
		text := sentence(f.Text)
		if f.Default != "" {
			text += " The default is " + f.Default + "."
		}
		writeSentences(w, text)
	}
	fmt.Fprintln(w, ".El")
}

func (p Page) exits(w io.Writer) {
	if len(p.Exits) == 0 {
		return
	}
	fmt.Fprintln(w, ".Sh EXIT STATUS\n.Bl -tag -width Ds")
	for _, e := range p.Exits {
		fmt.Fprintf(w, ".It %s\n", word(e.Code))
		writeSentences(w, sentence(e.Text))
	}
	fmt.Fprintln(w, ".El")
}

// seeAlso writes the references sorted by section, then by name, as mdoc
// requires.
func (p Page) seeAlso(w io.Writer) {
	type reference struct{ section, title string }
	var all []reference
	for _, s := range p.SeeAlso {
		title, section, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
		if title != p.Title() {
			all = append(all, reference{section, title})
		}
	}
	slices.SortFunc(all, func(a, b reference) int {
		return strings.Compare(a.section+a.title, b.section+b.title)
	})
	all = slices.Compact(all)
	for i, r := range all {
		if i == 0 {
			fmt.Fprintln(w, ".Sh SEE ALSO")
		}
		comma := " ,"
		if i == len(all)-1 {
			comma = ""
		}
		fmt.Fprintf(w, ".Xr %s %s%s\n", r.title, r.section, comma)
	}
}
