// Arranging the command line. The CLI library silently takes every flag after
// the first positional argument for another argument. Here flags are moved to
// where the library sees them, and anything that is not a flag, command or
// argument becomes a usage error.

package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
)

// commandLine is a parsed command line.
type commandLine struct {
	program     string
	global      []string // global flags with their values
	path        []string // the command and its subcommands
	flags       []string // the command's own flags with their values
	positionals []string
	help        bool
}

// args assembles the line in the only order that the library understands.
func (l commandLine) args() []string {
	out := append([]string{l.program}, l.global...)
	out = append(out, l.path...)
	if l.help {
		return append(out, "--help")
	}
	out = append(out, l.flags...)
	if len(l.positionals) > 0 {
		out = append(append(out, "--"), l.positionals...)
	}
	return out
}

// name is the command as errors and schemas call it: "verify", "table lint".
func (l commandLine) name() string { return strings.Join(l.path, " ") }

func (l commandLine) String() string { return strings.Join(l.args(), " ") }

// hasSwitch reports whether a switch is on. The arguments may be wrong
// otherwise.
func hasSwitch(args []string, name string) bool {
	on := false
	for _, arg := range args {
		if arg == "--" {
			break
		}
		given, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-"), "=")
		if given != name || !strings.HasPrefix(arg, "-") {
			continue
		}
		if v, err := strconv.ParseBool(value); !hasValue || err == nil {
			on = !hasValue || v
		}
	}
	return on
}

// arrange splits args (with the program's name first) along app's tree. With
// an error it also returns what it understood before.
func arrange(app *cli.App, args []string) (commandLine, error) {
	a := arranger{app: app, commands: app.Commands, values: map[cli.Flag]string{}}
	if len(args) > 0 {
		a.line.program = args[0]
		a.rest = args[1:]
	}
	for len(a.rest) > 0 {
		if err := a.next(); err != nil {
			return a.line, err
		}
	}
	return a.line, nil
}

type arranger struct {
	app      *cli.App
	command  *cli.Command   // the command so far, nil before the first
	commands []*cli.Command // what may come next
	rest     []string
	line     commandLine
	helping  bool                // after the word "help": only names of commands follow
	values   map[cli.Flag]string // of the flags so far that take one value
}

func (a *arranger) next() error {
	token := a.rest[0]
	a.rest = a.rest[1:]
	switch {
	case token == "--":
		a.line.positionals = append(a.line.positionals, a.rest...)
		a.rest = nil
		return nil
	case len(token) > 1 && token[0] == '-':
		return a.flag(token)
	case a.command == nil && !a.helping && token == "help":
		a.helping, a.line.help = true, true
		return nil
	case len(a.commands) > 0:
		return a.descend(token)
	case a.helping:
		return usagef("help: %q is not a command of %s", token, a.describe())
	default:
		a.line.positionals = append(a.line.positionals, token)
		return nil
	}
}

// descend enters the command with this name.
func (a *arranger) descend(name string) error {
	for _, c := range a.commands {
		if c.HasName(name) {
			a.command, a.commands = c, c.Subcommands
			a.line.path = append(a.line.path, c.Name)
			return nil
		}
	}
	names := make([]string, 0, len(a.commands))
	for _, c := range a.commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return usagef("unknown command %q%s; see '%s --help'", name, suggest(name, names), a.describe())
}

// flag stores one flag, and its value if it takes one.
func (a *arranger) flag(token string) error {
	name, value, hasValue := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(token, "-"), "-"), "=")
	if name == "help" || name == "h" {
		a.line.help = true
		return nil
	}
	if name == "version" {
		a.line.global = append(a.line.global, "--version")
		return nil
	}
	dest := &a.line.flags
	var f cli.Flag
	if a.command != nil {
		f = findFlag(a.command.Flags, name)
	}
	if f == nil {
		f, dest = findFlag(a.app.Flags, name), &a.line.global
	}
	if f == nil {
		return usagef("%sunknown flag %s%s; see '%s --help'", a.about(), token, suggest("--"+name, a.flagNames()), a.describe())
	}
	if !hasValue && isSwitch(f) {
		*dest = append(*dest, "--"+name)
		return nil
	}
	if !hasValue {
		if len(a.rest) == 0 {
			return usagef("%sflag --%s needs a value; see '%s --help'", a.about(), name, a.describe())
		}
		value, a.rest = a.rest[0], a.rest[1:]
	}
	*dest = append(*dest, "--"+name+"="+value)
	return a.once(f, value)
}

// once refuses a second, other value for a flag that takes one value; the
// library would silently use the last. A switch may be turned off again.
func (a *arranger) once(f cli.Flag, value string) error {
	if isSwitch(f) || isList(f) {
		return nil
	}
	before, given := a.values[f]
	if given && before != value {
		return usagef("%sflag --%s is given twice, with %q and %q; see '%s --help'", a.about(), f.Names()[0], before, value, a.describe())
	}
	a.values[f] = value
	return nil
}

// describe returns the command so far as the user would type it.
func (a *arranger) describe() string {
	return strings.Join(append([]string{a.app.Name}, a.line.path...), " ")
}

// about begins an error with the command so far, if there is one.
func (a *arranger) about() string {
	if a.command == nil {
		return ""
	}
	return a.line.name() + ": "
}

func (a *arranger) flagNames() []string {
	var names []string
	if a.command != nil {
		for _, f := range a.command.Flags {
			names = append(names, dashed(f)...)
		}
	}
	for _, f := range a.app.Flags {
		names = append(names, dashed(f)...)
	}
	return names
}

// dashed returns a flag's long names as they are typed. Short ones are left
// out, because each is near to any other.
func dashed(f cli.Flag) (names []string) {
	for _, name := range f.Names() {
		if len(name) > 1 {
			names = append(names, "--"+name)
		}
	}
	return names
}

func findFlag(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				return f
			}
		}
	}
	return nil
}

// isSwitch reports whether a flag takes no value.
func isSwitch(f cli.Flag) bool {
	_, ok := f.(*cli.BoolFlag)
	return ok
}

// isList reports whether a flag may be given several times, with a value each.
func isList(f cli.Flag) bool {
	l, ok := f.(cli.DocGenerationSliceFlag)
	return ok && l.IsSliceFlag()
}

// suggest returns " (did you mean …?)" for the candidate nearest to word, if
// it is near enough for a typing error: at most one letter in three, and at
// most two.
func suggest(word string, candidates []string) string {
	best, bestDistance := "", min(3, (len(word)+1)/3+1)
	for _, c := range candidates {
		if d := editDistance(word, c); d < bestDistance && d < len(c) {
			best, bestDistance = c, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// editDistance is the number of single-byte edits from a to b.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			substitute := diagonal
			if a[i-1] != b[j-1] {
				substitute++
			}
			diagonal = row[j]
			row[j] = min(substitute, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
