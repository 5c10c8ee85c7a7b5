package main

// Commands that the program proposes, for names of all kinds.

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// TestCommandsForADashAtTheFront: what would be a flag is written as a path.
func TestCommandsForADashAtTheFront(t *testing.T) {
	b := newToolbox(t)
	b.damage(staleRecord)
	b.write("-x.cow", b.read("store"))
	for _, args := range [][]string{{"verify", "--", "-x.cow"}, {"rescue", "--origin", "origin", "--", "-x.cow"}} {
		out, _, _ := commanded(context.Background(), args...)
		if !strings.Contains(out, "next: dmsnapctl repair ./-x.cow") {
			t.Errorf("%s: %s", args[0], out)
		}
	}
	if _, complaint, code := commanded(context.Background(), "rescue", "--origin", "origin", "--yes", "--", "-x.cow"); code != exitFine {
		t.Errorf("rescue --yes: %d %s", code, complaint)
	}
	b.write("-x.cow", append([]byte("no header at all"), b.read("store")[16:]...))
	if _, complaint, _ := commanded(context.Background(), "repair", "--yes", "--undo", "-undo", "--", "-x.cow"); !strings.Contains(complaint, "dmsnapctl apply ./-undo --to -x.cow") {
		t.Errorf("the undo: %s", complaint)
	}
	b.damage(invalidate)
	b.write("-x.cow", b.read("store"))
	if out, _, _ := commanded(context.Background(), "rescue", "--origin", "origin", "--", "-x.cow"); !strings.Contains(out, "next: dmsnapctl rescue ./-x.cow --origin origin --origin-unchanged") {
		t.Errorf("another rescue: %s", out)
	}
	for name, want := range map[string]string{"-s": "/dev/mapper/-s", "s": "s"} {
		if got := argumentName(name); got != want {
			t.Errorf("the device %s is %s", name, got)
		}
	}
}

// TestCommandsCanBePasted: a shell reads the name of exactly that file from
// the output of verify and rescue, in text and JSON, in each locale.
func TestCommandsCanBePasted(t *testing.T) {
	stale := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 30)...), Stale: cowtest.Canonical(8, cowtest.Run(40, 1)...)}.Bytes()
	names := []string{"plain", "two words", "it's", "größe", "größe\n", "-x", hostile, "no\xffUTF-8", `back\slash é`, "$(x) `y` $'z'", "é'"}
	inLocales(t, func(t *testing.T, locale string) {
		t.Chdir(t.TempDir())
		for _, name := range append(names, "") {
			name = "./" + strings.ReplaceAll(name, "/", "_") + "store"
			for file, content := range map[string][]byte{name: stale, name + ".origin": make([]byte, 1<<20)} {
				if err := os.WriteFile(file, content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, args := range [][]string{{"verify", name}, {"rescue", name, "--origin", name + ".origin"}} {
				text, _, _ := commanded(context.Background(), args...)
				next, _, _ := strings.Cut(text[max(0, strings.Index(text, "next: ")):], "   # ")
				stdout, _, _ := commanded(context.Background(), append(args, "--json")...)
				var out struct {
					Advice []advice
					Steps  []string
				}
				if err := json.Unmarshal([]byte(stdout), &out); err != nil {
					t.Fatal(err)
				}
				for _, a := range out.Advice {
					out.Steps = append(out.Steps, a.Command)
				}
				for _, line := range append(out.Steps[:1], strings.TrimPrefix(next, "next: ")) {
					if words := shellWords(t, line); len(words) < 3 || words[1] != "repair" || words[2] != name {
						t.Errorf("%s of %q says %q: a shell reads %q", args[0], name, line, words)
					}
				}
			}
		}
	})
}
