// Help texts: how the application and its commands describe themselves, within
// 80 columns.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// helpWidth is the width of help texts, in columns.
const helpWidth = 80

// printHelp shows a help text. The library calls it; its template is not used.
func printHelp(w io.Writer, _ string, about any) {
	text := ""
	switch a := about.(type) {
	case *cli.App:
		text = appHelp(a)
	case *cli.Command:
		text = commandHelp(a)
	}
	_, _ = io.WriteString(w, text) // the stream remembers the error
}

func appHelp(a *cli.App) string {
	var b strings.Builder
	section := func(title string, lines ...string) { b.WriteString(title + ":\n" + strings.Join(lines, "") + "\n") }
	section("NAME", wrap(a.Name+" - "+a.Usage, 3, 3))
	section("USAGE", "   "+a.UsageText+"\n")
	b.WriteString("COMMANDS:\n")
	for _, category := range a.VisibleCategories() {
		b.WriteString("\n " + category.Name() + ":\n")
		b.WriteString(columns(commandRows(category.VisibleCommands())))
	}
	b.WriteString("\n   'dmsnapctl COMMAND --help' shows details and examples.\n\n")
	section("GLOBAL FLAGS (before or after the command)", columns(flagRows(a.VisibleFlags())))
	section("SIZES", wrap("bytes, or with k, M, G, T (1024-based) or s (sectors of 512 bytes)", 3, 3))
	return b.String() + exitHelp(exitTable)
}

func commandHelp(c *cli.Command) string {
	var b strings.Builder
	section := func(title string, text string) { b.WriteString(title + ":\n" + text + "\n") }
	section("NAME", wrap(c.HelpName+" - "+c.Usage, 3, 3))
	usage := c.HelpName
	if len(c.VisibleFlags()) > 0 {
		usage += " [flags]"
	}
	if len(c.Subcommands) > 0 {
		usage += " COMMAND"
	}
	section("USAGE", wrap(strings.TrimSpace(usage+" "+c.ArgsUsage), 3, 6))
	if c.Description != "" {
		b.WriteString(fill(c.Description) + "\n")
	}
	if len(c.Subcommands) > 0 {
		section("COMMANDS", columns(commandRows(c.Subcommands)))
	}
	if flags := c.VisibleFlags(); len(flags) > 0 {
		section("FLAGS", columns(flagRows(flags)))
	}
	section("GLOBAL FLAGS", "   --json, --quiet, --no-color, --progress; see 'dmsnapctl --help'\n")
	name := strings.TrimPrefix(c.HelpName, "dmsnapctl ")
	if len(c.Subcommands) > 0 {
		return b.String() + exitHelp(exitsOfGroup(name, c.Subcommands))
	}
	return b.String() + exitHelp(exitsOf(name))
}

// row is a name and its description.
type row struct{ name, text string }

func commandRows(commands []*cli.Command) (rows []row) {
	for _, c := range commands {
		if !c.Hidden {
			rows = append(rows, row{c.Name, c.Usage})
		}
	}
	return rows
}

func flagRows(flags []cli.Flag) (rows []row) {
	for _, f := range flags {
		name, text, _ := strings.Cut(f.String(), "\t")
		if first, _, many := strings.Cut(name, " [ "); many {
			name = first + " ..."
		}
		rows = append(rows, row{name, strings.TrimSuffix(text, " (default: false)")})
	}
	return rows
}

// columns writes rows in two columns. A name that is too wide for its column has
// its own line.
func columns(rows []row) string {
	const widest = 28
	width := 0
	for _, r := range rows {
		if len(r.name) <= widest {
			width = max(width, len(r.name))
		}
	}
	var b strings.Builder
	for _, r := range rows {
		text := wrap(r.text, width+5, width+5)
		if len(r.name) > width {
			b.WriteString("   " + r.name + "\n" + text)
		} else {
			fmt.Fprintf(&b, "   %-*s  %s", width, r.name, strings.TrimLeft(text, " "))
		}
	}
	return b.String()
}

// fill wraps the paragraphs of a description. Examples, and paragraphs with
// deeper indented lines, are kept as they are.
func fill(description string) string {
	var b strings.Builder
	for i, paragraph := range strings.Split(description, "\n\n") {
		if i > 0 {
			b.WriteString("\n")
		}
		if strings.HasPrefix(paragraph, "EXAMPLES:") || strings.Contains("\n"+paragraph, "\n    ") {
			b.WriteString(paragraph + "\n")
		} else {
			b.WriteString(wrap(paragraph, 3, 3))
		}
	}
	return b.String()
}
