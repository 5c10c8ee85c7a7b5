package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
)

// The README shows the actual output of commands. A line "..." stands for any
// lines.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	shown := 0
	for part := range strings.SplitSeq(string(text), "\n\n") {
		line, want, _ := strings.Cut(part, "\n")
		line, ok := strings.CutPrefix(line, "    $ ")
		if !ok {
			continue
		}
		shown++
		var out, complaint bytes.Buffer
		run(context.Background(), strings.Fields(line), streams{out: &out, err: &complaint})
		got := out.String()
		want = strings.TrimPrefix(strings.ReplaceAll(want, "\n    ", "\n"), "    ")
		if start, open := strings.CutSuffix(want, "..."); open && strings.HasPrefix(got, start) {
			continue
		}
		if strings.TrimSpace(got) != strings.TrimSpace(want) {
			t.Errorf("%s prints\n%s%s, the README says\n%s", line, got, &complaint, want)
		}
	}
	if shown < 3 {
		t.Errorf("%d commands with their output: some are not found any more", shown)
	}
}
