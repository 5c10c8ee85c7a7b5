// The synopses in docs/cli.md, compared with the flags of the commands.

package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// sharedFlags are those that whole families of commands have: the contract says
// it once for all of them.
var sharedFlags = []string{"dry-run", "yes", "undo", "help"}

// unlisted are commands that the contract does not have: they are for machines
// that this project sets up itself.
var unlisted = []string{"manual", "complete", "systemd-generator"}

// synopses returns the command lines of docs/cli.md by the words of the command,
// each with the lines that continue it. A line that is for several commands
// stands for each of them.
func synopses(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	begins := regexp.MustCompile(`^( {4,})dmsnapctl ([a-z][a-z-]*)((?: [a-z][a-z|-]*)?)(?: |$)`)
	all, deep, names := map[string]string{}, 0, []string(nil)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		if m := begins.FindStringSubmatch(line); m != nil {
			deep, names = len(m[1]), nil
			for _, sub := range strings.Split(strings.TrimSpace(m[3]), "|") {
				names = append(names, strings.TrimSpace(m[2]+" "+sub))
			}
		} else if len(line)-len(strings.TrimLeft(line, " ")) < deep+4 || deep == 0 {
			deep, names = 0, nil
		}
		for _, name := range names {
			all[name] += line + "\n"
		}
	}
	return all
}

// TestSynopsesHaveAllFlags, and none that the command does not have.
func TestSynopsesHaveAllFlags(t *testing.T) {
	written, flag := synopses(t), regexp.MustCompile(`(?:^|[^-\w])(--?[a-z][a-z0-9-]*)`)
	eachCommand(func(words []string, c *cli.Command) {
		name := strings.Join(words, " ")
		if len(c.Subcommands) > 0 || slices.Contains(unlisted, name) {
			return
		}
		synopsis := written[name]
		delete(written, name)
		if synopsis == "" {
			t.Errorf("docs/cli.md has no synopsis of %s", name)
			return
		}
		var has []string
		for _, m := range flag.FindAllStringSubmatch(synopsis, -1) {
			has = append(has, strings.TrimLeft(m[1], "-"))
		}
		for _, f := range c.Flags {
			if v, ok := f.(cli.VisibleFlag); ok && !v.IsVisible() || slices.Contains(sharedFlags, f.Names()[0]) {
				continue
			}
			if !slices.ContainsFunc(f.Names(), func(n string) bool { return slices.Contains(has, n) }) {
				t.Errorf("the synopsis of %s in docs/cli.md lacks --%s", name, f.Names()[0])
			}
		}
		for _, n := range has {
			if !slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), n) }) {
				t.Errorf("the synopsis of %s in docs/cli.md has -%s, and the command does not", name, n)
			}
		}
	})
	for name := range written {
		t.Errorf("docs/cli.md has a synopsis of %s, and there is no such command", name)
	}
}
