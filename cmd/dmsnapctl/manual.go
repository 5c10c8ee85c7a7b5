// The command manual: pages for man(1), from the declarations of the help texts.
// It is hidden: packages use it when they are built.

package main

import (
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/manual"
	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
)

const manualHelp = `   Prints the manual page of COMMAND, or of the program, in the language
   mdoc(7). With --dir, writes the pages of all commands into a directory.

EXAMPLES:
   dmsnapctl manual crash explore | man -l -
   dmsnapctl manual --dir man8 --date 2026-11-25`

func manualCommand() *cli.Command {
	return &cli.Command{
		Name:        "manual",
		Usage:       "print a manual page",
		ArgsUsage:   "[COMMAND...]",
		Hidden:      true,
		Description: manualHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "write all pages to `DIR`, creating it"},
			&cli.StringFlag{Name: "date", Usage: "the `DATE` of the pages, as 2006-01-02 (default: today)"},
		},
		Action: withArgs("[COMMAND...]", runManual),
	}
}

func runManual(c *cli.Context) error {
	date, err := manualDate(c)
	if err != nil {
		return err
	}
	if dir := c.String("dir"); dir != "" {
		if c.NArg() > 0 {
			return usagef("manual: --dir writes the pages of all commands; leave out %q", c.Args().First())
		}
		return writeManual(c.App, dir, date)
	}
	words := c.Args().Slice()
	for _, p := range manualPages(c.App, date) {
		if p.Name == strings.Join(append([]string{c.App.Name}, words...), " ") {
			_, err := c.App.Writer.Write(p.Mdoc())
			return err
		}
	}
	return usagef("manual: no command %q; see 'dmsnapctl --help'", strings.Join(words, " "))
}

func manualDate(c *cli.Context) (time.Time, error) {
	text := c.String("date")
	if text == "" {
		return time.Now(), nil
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return date, usagef("manual: --date %q: want a date like 2006-01-02", text)
	}
	return date, nil
}

func writeManual(app *cli.App, dir string, date time.Time) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, p := range manualPages(app, date) {
		name := filepath.Join(dir, p.Title()+"."+manual.Section)
		to, err := output.To(name, output.Options{})
		if err != nil {
			return err
		}
		if err := to.Write(func(w io.Writer) error { _, err := w.Write(p.Mdoc()); return err }); err != nil {
			return err
		}
	}
	return nil
}

// manualRelated are the pages about file formats and methods.
var manualRelated = []string{"dmsnap-store(5)", "dmsnaptab(5)", "dmsnap-crash(7)"}

// manualText is the text of the program's own page.
const manualText = `   Manages snapshots of the kernel's device mapper, reports whether a kernel leaks
   snapshot space when it crashes, and verifies COW stores without a kernel.
   Commands that report or judge change nothing.

   Global flags may stand before or after the command, a command's flags before
   or after its arguments; "--" ends them. Results go to the standard output,
   progress, warnings and errors to the standard error.

SIZES:
   A size is a number of bytes, or a number with k, M, G, T (1024-based) or s
   (sectors of 512 bytes).

EXAMPLES:
   dmsnapctl check
   dmsnapctl verify overlay.img
   dmsnapctl map overlay.img
   dmsnapctl status`

// manualPages are the pages of the program and of all commands that help shows.
func manualPages(app *cli.App, date time.Time) []manual.Page {
	root := manual.Page{
		Name: app.Name, Summary: app.Usage, Text: manualText,
		Flags: manualFlags(app.Flags), Groups: manualGroups(app.Commands), Exits: exitTable,
		SeeAlso: append([]string{"dmsetup(8)", "lvcreate(8)"}, manualRelated...), Date: date,
	}
	pages := []manual.Page{root}
	var add func(parent string, commands []*cli.Command)
	add = func(parent string, commands []*cli.Command) {
		for _, c := range commands {
			if c.Hidden {
				continue
			}
			name := strings.TrimPrefix(parent+" "+c.Name, app.Name+" ")
			exits := exitsOf(name)
			if len(c.Subcommands) > 0 {
				exits = exitsOfGroup(name, c.Subcommands)
			}
			p := manual.Page{
				Name: parent + " " + c.Name, Summary: c.Usage, Arguments: c.ArgsUsage, Text: c.Description,
				Flags: manualFlags(c.Flags), Groups: manualGroups(c.Subcommands), Exits: exits,
				SeeAlso: append([]string{strings.ReplaceAll(parent, " ", "-") + "(8)", app.Name + "(8)"}, manualRelated...),
				Date:    date,
			}
			pages = append(pages, p)
			add(p.Name, c.Subcommands)
		}
	}
	add(app.Name, app.Commands)
	return pages
}

// manualGroups are commands by category, in the order of their declaration.
func manualGroups(commands []*cli.Command) []manual.Group {
	var groups []manual.Group
	at := map[string]int{}
	for _, c := range commands {
		if c.Hidden {
			continue
		}
		i, seen := at[c.Category]
		if !seen {
			i = len(groups)
			at[c.Category] = i
			groups = append(groups, manual.Group{Title: c.Category})
		}
		groups[i].Commands = append(groups[i].Commands, manual.Command{Name: c.Name, Summary: c.Usage})
	}
	return groups
}

// placeholder is what a flag's usage calls its value, in back quotes.
var placeholder = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile("`([^`]*)`") })

func manualFlags(flags []cli.Flag) []manual.Flag {
	var out []manual.Flag
	for _, f := range flags {
		d, ok := f.(cli.DocGenerationFlag)
		if v, can := f.(cli.VisibleFlag); !ok || can && !v.IsVisible() {
			continue
		}
		usage := d.GetUsage()
		flag := manual.Flag{Names: f.Names(), Text: strings.ReplaceAll(usage, "`", "")}
		if d.TakesValue() {
			flag.Value = "VALUE"
			if m := placeholder().FindStringSubmatch(usage); m != nil {
				flag.Value = m[1]
			}
			flag.Default = strings.Trim(d.GetDefaultText(), `"`)
		} else if d.GetDefaultText() == "true" {
			flag.Default = "true"
		}
		out = append(out, flag)
	}
	return out
}
