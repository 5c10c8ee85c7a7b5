package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"
)

// visible calls do for each command that help shows, with its whole name.
func visible(app *cli.App, do func(name string, c *cli.Command)) {
	var walk func(parent string, commands []*cli.Command)
	walk = func(parent string, commands []*cli.Command) {
		for _, c := range commands {
			if !c.Hidden {
				do(parent+" "+c.Name, c)
				walk(parent+" "+c.Name, c.Subcommands)
			}
		}
	}
	walk(app.Name, app.Commands)
}

func TestEveryCommandHasAManualPage(t *testing.T) {
	app := newApp(streams{})
	pages := map[string]string{}
	for _, p := range manualPages(app, time.Now()) {
		pages[p.Name] = strings.ReplaceAll(string(p.Mdoc()), `\-`, "-")
	}
	visible(app, func(name string, c *cli.Command) {
		page := pages[name]
		if page == "" {
			t.Errorf("no page for %s", name)
		}
		for _, f := range c.VisibleFlags() {
			if long := f.Names()[0]; long != "help" && !strings.Contains(page, "Fl -"+long) {
				t.Errorf("the page of %s does not have --%s", name, long)
			}
		}
		if strings.Contains(c.Description, "EXAMPLES:") != strings.Contains(page, ".Sh EXAMPLES") {
			t.Errorf("the page of %s lacks the examples of the help text", name)
		}
	})
	root := pages["dmsnapctl"]
	for _, code := range []string{"0", "1", "2", "3", "64", "130"} {
		if !strings.Contains(root, "\n.It "+code+"\n") {
			t.Errorf("the page of dmsnapctl does not have exit code %s", code)
		}
	}
}

func TestManualIsWrittenWhereItIsAsked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man8")
	var out, complaint bytes.Buffer
	std := streams{out: &out, err: &complaint}
	if code := run(context.Background(), []string{"dmsnapctl", "manual", "--dir", dir, "--date", "2026-11-25"}, std); code != exitFine {
		t.Fatalf("exit code %d: %s", code, &complaint)
	}
	page, err := os.ReadFile(filepath.Join(dir, "dmsnapctl-crash-explore.8"))
	if err != nil || !bytes.HasPrefix(page, []byte(".Dd November 25, 2026\n.Dt DMSNAPCTL-CRASH-EXPLORE 8\n")) {
		t.Errorf("%v; the page begins %.80q", err, page)
	}
	for _, args := range [][]string{{"no", "such"}, {"--date", "today"}, {"verify", "--dir", dir}} {
		if code := run(context.Background(), append([]string{"dmsnapctl", "manual"}, args...), std); code != exitUsage {
			t.Errorf("manual %v: exit code %d, want %d", args, code, exitUsage)
		}
	}
}

// A link in the directory is not written through.
func TestManualIsNotWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("victim", filepath.Join(dir, "dmsnapctl.8")); err != nil {
		t.Fatal(err)
	}
	var out, complaint bytes.Buffer
	code := run(context.Background(), []string{"dmsnapctl", "manual", "--dir", dir}, streams{out: &out, err: &complaint})
	if code != exitUsage || !strings.Contains(complaint.String(), "dmsnapctl.8 is a link") {
		t.Errorf("exit code %d, %q, want %d", code, &complaint, exitUsage)
	}
	if text, err := os.ReadFile(victim); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v: the link was followed", text, err)
	}
}
