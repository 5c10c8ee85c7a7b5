// The command complete: completions of a command line, from the declarations of
// the help texts. It is hidden: the completions of bash, zsh and fish call it.

package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/here"
	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
)

const completeHelp = `   Prints completions of the last WORD, one per line, each with a description
   after a tab.

EXAMPLES:
   dmsnapctl complete -- check --fo`

func completeCommand() *cli.Command {
	return &cli.Command{
		Name:        "complete",
		Usage:       "complete a command line",
		ArgsUsage:   "-- [WORD...]",
		Hidden:      true,
		Description: completeHelp,
		Action:      runComplete,
	}
}

// runComplete prints one candidate per line, with its description after a tab. A
// last line with a colon tells the shell to add names of files or folders.
func runComplete(c *cli.Context) error {
	root := os.Getenv("DMSNAPCTL_ROOT") // for tests: where sysfs and modules are
	if root == "" {
		root = "/"
	}
	said := newCompletion(c.App, os.DirFS(root)).of(c.Args().Slice())
	w := bufio.NewWriter(output.Raw(c.App.Writer))
	for _, one := range said.candidates {
		_, _ = fmt.Fprintf(w, "%s\t%s\n", output.Text(one.word), one.text)
	}
	if said.paths != "" {
		_, _ = fmt.Fprintf(w, ":%s\n", said.paths)
	}
	return w.Flush()
}

// The names that only the shell can complete.
const (
	anyFiles = "files"
	folders  = "dirs"
)

type candidate struct{ word, text string }

// suggestion is an answer for the last word of a line.
type suggestion struct {
	candidates []candidate
	paths      string // anyFiles, folders, or "" for neither
}

// completion reads a line up to the word that is being typed.
type completion struct {
	app      *cli.App
	root     fs.FS
	command  *cli.Command
	commands []*cli.Command
	pending  cli.Flag // a flag without its value so far
	given    []string // positional arguments
	ended    bool     // after "--"
}

func newCompletion(app *cli.App, root fs.FS) *completion {
	return &completion{app: app, root: root, commands: app.Commands}
}

// of takes the words after the program's name; the last one is being typed.
func (c *completion) of(words []string) suggestion {
	if len(words) == 0 {
		words = []string{""}
	}
	last := words[len(words)-1]
	for _, w := range words[:len(words)-1] {
		c.take(w)
	}
	s := c.last(last)
	s.candidates = slices.DeleteFunc(s.candidates, func(one candidate) bool { return !strings.HasPrefix(one.word, last) })
	return s
}

// take reads a complete word.
func (c *completion) take(word string) {
	switch {
	case c.pending != nil:
		c.pending = nil
	case c.ended:
		c.given = append(c.given, word)
	case word == "--":
		c.ended = true
	case strings.HasPrefix(word, "-") && len(word) > 1:
		if f := c.flag(word); f != nil && !isSwitch(f) && !strings.Contains(word, "=") {
			c.pending = f
		}
	case len(c.commands) > 0:
		for _, sub := range c.commands {
			if sub.HasName(word) {
				c.command, c.commands = sub, sub.Subcommands
				return
			}
		}
	default:
		c.given = append(c.given, word)
	}
}

func (c *completion) flag(word string) cli.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	return findFlag(c.flags(), name)
}

func (c *completion) flags() []cli.Flag {
	if c.command == nil {
		return c.app.Flags
	}
	return append(slices.Clone(c.command.Flags), c.app.Flags...)
}

func (c *completion) last(word string) suggestion {
	switch {
	case c.pending != nil:
		return c.value(c.pending)
	case c.ended || !strings.HasPrefix(word, "-"):
		if len(c.commands) > 0 && !c.ended {
			return suggestion{candidates: c.subcommands()}
		}
		return c.argument()
	}
	if name, _, has := strings.Cut(word, "="); has {
		f := c.flag(word)
		if f == nil {
			return suggestion{}
		}
		s := c.value(f)
		for i := range s.candidates {
			s.candidates[i].word = name + "=" + s.candidates[i].word
		}
		return s
	}
	return suggestion{candidates: c.flagNames()}
}

func (c *completion) subcommands() []candidate {
	var out []candidate
	for _, sub := range c.commands {
		if !sub.Hidden {
			out = append(out, candidate{sub.Name, sub.Usage})
		}
	}
	return out
}

func (c *completion) flagNames() []candidate {
	var out []candidate
	for _, f := range c.flags() {
		d, ok := f.(cli.DocGenerationFlag)
		if v, can := f.(cli.VisibleFlag); ok && f.Names()[0] != "help" && (!can || v.IsVisible()) {
			out = append(out, candidate{"--" + f.Names()[0], strings.ReplaceAll(d.GetUsage(), "`", "")})
		}
	}
	return append(out, candidate{"--help", "show help"})
}

// choices matches a flag's usage that ends with the values that it takes.
var choices = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`: ([\w-]+(?:, [\w-]+)*(?:(?:,| or) (?:or )?[\w-]+))$`)
})

// choiceFlags are flags whose usage does not end with what they take.
var choiceFlags = map[string][]string{"expect": {"fixed", "leaky", "mended"}}

// value returns what a flag takes, according to the placeholder in its usage.
func (c *completion) value(f cli.Flag) suggestion {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return suggestion{}
	}
	if words := choiceFlags[f.Names()[0]]; words != nil {
		return suggestion{candidates: named(words, "")}
	}
	if m := choices().FindStringSubmatch(d.GetUsage()); m != nil {
		return suggestion{candidates: named(strings.FieldsFunc(strings.ReplaceAll(m[1], " or ", ","), func(r rune) bool { return r == ',' || r == ' ' }), "")}
	}
	if m := placeholder().FindStringSubmatch(d.GetUsage()); m != nil {
		return c.kind(m[1])
	}
	return suggestion{}
}

// newNames are the commands whose first argument is a new name.
var newNames = []string{"create", "activate", "clone"}

// argument completes the next positional argument.
func (c *completion) argument() suggestion {
	if c.command == nil {
		return suggestion{}
	}
	names := slices.DeleteFunc(strings.Fields(c.command.ArgsUsage), func(f string) bool { return f == "--" || f == "|" })
	if len(names) == 0 {
		return suggestion{}
	}
	name := names[min(len(c.given), len(names)-1)]
	if repeats := strings.Contains(names[len(names)-1], "..."); len(c.given) >= len(names) && !repeats {
		return suggestion{}
	}
	if len(c.given) == 0 && slices.Contains(newNames, c.command.Name) {
		return suggestion{}
	}
	return c.kind(strings.Trim(name, "[].…"))
}

// kind completes a placeholder of the help texts.
func (c *completion) kind(placeholder string) suggestion {
	word, _, _ := strings.Cut(placeholder, "|")
	switch {
	case word == "ID":
		var out []candidate
		for _, a := range gate.Advisories() {
			out = append(out, candidate{a.ID, a.Title})
		}
		return suggestion{candidates: out}
	case word == "NAME" || word == "VG/SNAP":
		return suggestion{candidates: named(here.Snapshots(c.root), "snapshot")}
	case word == "VG/LV":
		return suggestion{candidates: named(here.Volumes(c.root), "logical volume")}
	case word == "RELEASE":
		return suggestion{candidates: named(here.Kernels(c.root), "kernel")}
	case word == "DEVICE" || word == "STORE" || strings.HasPrefix(word, "STORE") || word == "BASE":
		out := named(here.Devices(c.root), "device")
		for _, v := range here.Volumes(c.root) {
			out = append(out, candidate{v, "logical volume"}, candidate{"/dev/" + v, "logical volume"})
		}
		return suggestion{candidates: out, paths: anyFiles}
	case strings.HasPrefix(word, "DIR"):
		return suggestion{paths: folders}
	case strings.HasPrefix(word, "FILE"), word == "IMAGE", word == "LOG", word == "DUMP", word == "COMMAND", word == "ARGUMENTS", word == "CMD":
		return suggestion{paths: anyFiles}
	}
	return suggestion{}
}

func named(words []string, text string) []candidate {
	var out []candidate
	for _, w := range words {
		out = append(out, candidate{w, text})
	}
	return out
}
