package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
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

// examplesOf are the examples of a help text, continued lines joined.
func examplesOf(c *cli.Command) []string {
	_, text, _ := strings.Cut(c.Description, "EXAMPLES:\n")
	text = strings.ReplaceAll(text, "\\\n", " ")
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// exampleTools are what examples call beside the program. They answer with
// what the tests know.
var exampleTools = map[string]string{
	"dmsetup": `case "$*" in
		targets) echo "snapshot         v1.16.0" ;;
		"table vol") echo "0 2048 linear 8:0 0" ;;
		"table --concise") echo "vol,,,rw,0 2048 linear 8:0 0" ;;
		*) cat >/dev/null ;; esac`,
	"jq": "cat >/dev/null", "man": "cat >/dev/null", "lvextend": "", "truncate": "", "logger": "",
}

// exampleFiles are in the folder where examples run. Paths of devices and of a
// mounted system are taken below it.
func exampleFiles(t *testing.T, dir string) {
	store := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 30)...)}.Bytes()
	module, err := os.ReadFile("../../testdata/modules/amd64-leaky.ko.xz")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{
		"overlay.img": store, "store.img": store, "dev/mapper/vg-snap-cow": store, "dev/vg/root": make([]byte, 1<<20),
		"dm-snapshot.ko.xz": module, "table.txt": []byte("0 2048 linear 8:0 0\n"),
		"mnt/lib/modules/6.1.0-fixture/kernel/drivers/md/dm-snapshot.ko.xz": module,
	}
	for name, content := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, script := range exampleTools {
		path := filepath.Join(dir, "bin", name)
		_ = os.MkdirAll(filepath.Dir(path), 0o755)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExamplesOfTheHelpTexts holds each example against the program: what
// needs neither a kernel nor a log of writes is run, all others must at least
// be a command line that the program understands.
func TestExamplesOfTheHelpTexts(t *testing.T) {
	dir := t.TempDir()
	exampleFiles(t, dir)
	visible(newApp(streams{}), func(name string, c *cli.Command) {
		for _, example := range examplesOf(c) {
			t.Run(example, func(t *testing.T) {
				if !exampleRuns(name, example) {
					understood(t, example)
					return
				}
				runExample(t, dir, example)
			})
		}
	})
}

// exampleRuns tells whether an example can run without a kernel.
func exampleRuns(name, example string) bool {
	for _, command := range []string{"verify", "map", "check", "table"} {
		if name == "dmsnapctl "+command || strings.HasPrefix(name, "dmsnapctl "+command+" ") {
			return !strings.Contains(example, "--lvm") && !strings.Contains(example, "--next")
		}
	}
	return name == "dmsnapctl crash simulate"
}

func runExample(t *testing.T, dir, example string) {
	script := strings.NewReplacer(" /dev/", " dev/", " /mnt", " mnt", " /var/lib/node_exporter/", " ").Replace(example)
	cmd := exec.Command("bash", "-c", "set -o pipefail; "+script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	switch code := cmd.ProcessState.ExitCode(); {
	case code == exitFine, code == exitWarning, code == exitCritical:
	case code == exitUnknown && asksThisMachine(example):
	default:
		t.Errorf("%v\n%s", err, out)
	}
}

// asksThisMachine tells whether an example is about the kernels of the machine
// that it runs on, which may have none that can be judged.
func asksThisMachine(example string) bool {
	return example == "dmsnapctl check" || strings.Contains(example, "--all-kernels") && !strings.Contains(example, "--root")
}

// understood takes the calls of the program out of a line of shell, and has
// the program read them without doing them.
func understood(t *testing.T, example string) {
	cut := strings.NewReplacer("||", "\n", "&&", "\n", "|", "\n", ";", "\n").Replace(example)
	for call := range strings.Lines(cut) {
		words := shellWords(t, call)
		if len(words) == 0 || words[0] != "dmsnapctl" {
			continue
		}
		app := newApp(streams{out: &bytes.Buffer{}, err: &bytes.Buffer{}})
		inert(app.Commands)
		line, err := arrange(app, words)
		if err == nil {
			err = app.RunContext(context.Background(), line.args())
		}
		if err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(call), err)
		}
	}
}

// inert leaves of commands only that they read their flags.
func inert(commands []*cli.Command) {
	for _, c := range commands {
		if len(c.Subcommands) == 0 {
			c.Action = func(*cli.Context) error { return nil }
		}
		inert(c.Subcommands)
	}
}

// shellWords splits a call into words as the shell does.
func shellWords(t *testing.T, call string) []string {
	// In a directory of its own: the shell opens what a line redirects to.
	cmd := exec.Command("bash", "-c", `eval "set -- $0"; printf '%s\0' "$@"`, strings.TrimSpace(call))
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", call, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
