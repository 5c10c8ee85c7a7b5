package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/manual"
)

// eachCommand calls do with the words of each command, groups included.
func eachCommand(do func(words []string, c *cli.Command)) {
	var walk func(before []string, commands []*cli.Command)
	walk = func(before []string, commands []*cli.Command) {
		for _, c := range commands {
			words := append(slices.Clone(before), c.Name)
			do(words, c)
			walk(words, c.Subcommands)
		}
	}
	walk(nil, commands(run))
}

func helpOf(t *testing.T, words ...string) string {
	t.Helper()
	var out, complaint bytes.Buffer
	args := append(append([]string{"dmsnapctl"}, words...), "--help")
	if code := run(context.Background(), args, streams{out: &out, err: &complaint}); code != exitFine || complaint.Len() > 0 {
		t.Fatalf("%v: exit code %d, %s", args, code, &complaint)
	}
	return out.String()
}

// A placeholder is a word of its sentence, and one that has choices says which is
// the default.
func TestFlagsReadAsSentences(t *testing.T) {
	appended := regexp.MustCompile("(: |\\()`[^`]+`\\)?(,|$)|those of `")
	for _, words := range [][]string{{"extract", "format"}, {"extract", "side"}, {"delta", "format"}, {"crash state", "view"}, {"crash explore", "view"}} {
		if help := helpOf(t, strings.Fields(words[0])...); !regexp.MustCompile(`(?s)--` + words[1] + ` [^-]*\(default: `).MatchString(help) {
			t.Errorf("%s --%s: its default is not shown", words[0], words[1])
		}
	}
	eachCommand(func(words []string, c *cli.Command) {
		for _, f := range c.Flags {
			if d, ok := f.(cli.DocGenerationFlag); ok && appended.MatchString(d.GetUsage()) {
				t.Errorf("%v --%s: %s", words, f.Names()[0], d.GetUsage())
			}
		}
	})
}

func TestHelpFitsATerminal(t *testing.T) {
	check := func(words ...string) {
		text := helpOf(t, words...)
		for i, line := range strings.Split(text, "\n") {
			if n := utf8.RuneCountInString(line); n > helpWidth {
				t.Errorf("%v, line %d has %d columns: %s", words, i+1, n, line)
			}
		}
		for _, part := range []string{"NAME:\n", "USAGE:\n", "EXIT STATUS:\n   0 "} {
			if !strings.Contains(text, part) {
				t.Errorf("%v: no %q", words, part)
			}
		}
	}
	check()
	eachCommand(func(words []string, _ *cli.Command) { check(words...) })
}

// Manual pages show examples two columns further to the right.
func TestHelpHasExamples(t *testing.T) {
	eachCommand(func(words []string, c *cli.Command) {
		_, examples, _ := strings.Cut(c.Description, "EXAMPLES:\n")
		for line := range strings.Lines(examples) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > helpWidth-2 {
				t.Errorf("%v: an example of %d columns: %s", words, n, line)
			}
		}
		if words[0] == "table" && len(words) == 2 && c.Description == "" {
			return // the targets; "table" has their examples
		}
		if !strings.Contains(c.Description, "EXAMPLES:\n   ") {
			t.Errorf("%v: no examples", words)
		}
	})
}

func TestWrap(t *testing.T) {
	long := strings.Repeat("x", 100)
	for text, want := range map[string]string{
		"":                             "\n",
		"a  b\n c":                     "   a b c\n",
		long + " y":                    "   " + long + "\n     y\n",
		strings.Repeat("ä", 77) + " b": "   " + strings.Repeat("ä", 77) + "\n     b\n",
		strings.Repeat("ä", 75) + " b": "   " + strings.Repeat("ä", 75) + " b\n",
	} {
		if got := wrap(text, 3, 5); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// codesSeen are the exit codes of each command in scripts and in the tests of
// the store tools.
func codesSeen(t *testing.T) map[string]map[int]bool {
	t.Helper()
	seen := map[string]map[int]bool{}
	names := map[string]bool{}
	eachCommand(func(words []string, _ *cli.Command) { names[strings.Join(words, " ")] = true })
	saw := func(name, next string, code int) {
		if names[name+" "+next] {
			name += " " + next
		}
		if seen[name] == nil {
			seen[name] = map[int]bool{}
		}
		seen[name][code] = true
	}
	err := filepath.WalkDir(filepath.Join("..", "..", "testdata", "script"), func(path string, _ fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".txtar" {
			return err
		}
		text, err := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			f := append(strings.Fields(line), "", "", "", "", "")
			code, err := strconv.Atoi(f[1])
			if f[0] != "code" || err != nil || f[2] != "dmsnapctl" {
				continue
			}
			saw(f[3], f[4], code)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{"Fine": exitFine, "Warning": exitWarning, "Critical": exitCritical, "Unknown": exitUnknown}
	inTest := regexp.MustCompile(`b\.run\(exit(Fine|Warning|Critical|Unknown), "([a-z-]+)`)
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range inTest.FindAllSubmatch(text, -1) {
			saw(string(m[2]), "", codes[string(m[1])])
		}
	}
	return seen
}

// needKernel are the commands with findings that need a kernel's devices.
// Kernel tests cover their exit codes.
var needKernel = []string{"status", "merge", "activate"}

// canEndWith reports whether the help of a command lists an exit code.
func canEndWith(name string, code int) bool {
	return slices.ContainsFunc(exitsOf(name), func(x manual.Exit) bool { return x.Code == strconv.Itoa(code) })
}

// Each help text names the exit codes that its command can end with, and no
// other.
func TestExitStatusIsTrue(t *testing.T) {
	seen := codesSeen(t)
	eachCommand(func(words []string, c *cli.Command) {
		name := strings.Join(words, " ")
		text := helpOf(t, words...)
		if n := strings.Count(text, "EXIT STATUS"); n != 1 {
			t.Errorf("%s: %d sections of exit codes", name, n)
		}
		for _, code := range []int{exitWarning, exitCritical} {
			inGroup := slices.ContainsFunc(c.Subcommands, func(sub *cli.Command) bool { return canEndWith(name+" "+sub.Name, code) })
			if shown := strings.Contains(text, "\n   "+strconv.Itoa(code)+" "); len(c.Subcommands) > 0 && shown != inGroup {
				t.Errorf("the group %s says that it can end with %d: %v, and one of its commands can: %v", name, code, shown, inGroup)
			}
		}
		for code := range seen[name] {
			if !strings.Contains(text, "\n   "+strconv.Itoa(code)+" ") {
				t.Errorf("%s ends with %d in a test, and its help does not say so", name, code)
			}
		}
		if len(c.Subcommands) > 0 || slices.Contains(needKernel, name) {
			return
		}
		for _, code := range []int{exitWarning, exitCritical} {
			if strings.Contains(text, "\n   "+strconv.Itoa(code)+" ") && !seen[name][code] {
				t.Errorf("%s says that it can end with %d, and no test sees it", name, code)
			}
		}
	})
	for name := range endingsOf {
		known := false
		eachCommand(func(words []string, _ *cli.Command) { known = known || strings.Join(words, " ") == name })
		if !known {
			t.Errorf("endings of %q, which is no command", name)
		}
	}
}

// Where the commands of a group mean different things by a code, the words of one
// of them would be wrong for the others.
func TestGroupsHaveTheirOwnWordsForCodes(t *testing.T) {
	for _, group := range commands(run) {
		meanings := map[string]map[string]bool{}
		for _, c := range group.Subcommands {
			for _, x := range exitsOf(group.Name + " " + c.Name) {
				if meanings[x.Code] == nil {
					meanings[x.Code] = map[string]bool{}
				}
				meanings[x.Code][x.Text] = true
			}
		}
		for _, x := range exitsOfGroup(group.Name, group.Subcommands) {
			if own := endingsOf[group.Name].texts()[x.Code]; len(meanings[x.Code]) > 1 && (own == "" || x.Text != own) {
				t.Errorf("%s: %s is %q; its commands say %v", group.Name, x.Code, x.Text, meanings[x.Code])
			}
		}
	}
}

// TestExitTables: the documents have the table of the program. The contract may
// say more about a code, after its words.
func TestExitTables(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| (\d+) \| (.*) \|$`)
	for file, more := range map[string]bool{"../../README.md": false, "../../docs/cli.md": true} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, section, _ := strings.Cut(string(text), "\n## Exit codes\n")
		section, _, _ = strings.Cut(section, "\n## ")
		rows := row.FindAllStringSubmatch(section, -1)
		if len(rows) != len(exitTable) {
			t.Fatalf("%s: %d codes, want %d", file, len(rows), len(exitTable))
		}
		for i, x := range exitTable {
			rest, same := strings.CutPrefix(rows[i][2], x.Text)
			if rows[i][1] != x.Code || !same || rest != "" && !(more && (rest[0] == ':' || rest[0] == ';')) {
				t.Errorf("%s: %q, and the program says %s %q", file, rows[i][0], x.Code, x.Text)
			}
		}
	}
}
