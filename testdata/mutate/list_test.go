package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const listed = `
# a comment
mutant: undo runs forward
file: a/b.go
test: ./a ./b
- for i := n - 1; i >= 0; i-- {
+ for i := range n {
mutant: no flush
file: c.go
test: ./c
- if err := d.Flush(); err != nil {
- return err
- }
`

func TestParseList(t *testing.T) {
	got, err := parseList(strings.NewReader(listed))
	if err != nil {
		t.Fatal(err)
	}
	want := []mutant{
		{Name: "undo runs forward", File: "a/b.go", Packages: []string{"./a", "./b"},
			Old: []string{"for i := n - 1; i >= 0; i-- {"}, New: []string{"for i := range n {"}},
		{Name: "no flush", File: "c.go", Packages: []string{"./c"},
			Old: []string{"if err := d.Flush(); err != nil {", "return err", "}"}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(mutant{})); diff != "" {
		t.Error(diff)
	}
}

func TestParseListRefuses(t *testing.T) {
	for _, text := range []string{
		"- x\n",
		"mutant: a\nfile: f\ntest: ./p\n",
		"mutant: a\nfile: f\n- x\n",
		"mutant: a\ntest: ./p\n- x\n",
		"mutant: a\nnonsense\n",
	} {
		if _, err := parseList(strings.NewReader(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

func TestApply(t *testing.T) {
	source := "a\n\tif x {\n\t\treturn\n\t}\nb\n\tif y {\n\t\treturn\n\t}\n"
	m := mutant{File: "f", Old: []string{"if y {", "return", "}"}, New: []string{"stay()"}}
	got, err := m.apply(source)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a\n\tif x {\n\t\treturn\n\t}\nb\nstay()\n"; got != want {
		t.Errorf("got %q", got)
	}
	for _, old := range [][]string{{"return"}, {"c"}, {"}", "", "more"}} {
		if _, err := (mutant{File: "f", Old: old}).apply(source); err == nil {
			t.Errorf("%q is taken", old)
		}
	}
}

// theList reads the list of mutants.
func theList(t *testing.T, root string) []mutant {
	t.Helper()
	f, err := os.Open(filepath.Join(root, "testdata", "mutants.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	list, err := parseList(f)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestListStands: a mutant whose lines no longer exist tests nothing. Its rule
// was moved or reworded: change the mutant in the same way.
func TestListStands(t *testing.T) {
	const root = "../.."
	for _, m := range theList(t, root) {
		source, err := os.ReadFile(filepath.Join(root, m.File))
		if err != nil {
			t.Errorf("line %d: %s: %v", m.line, m.Name, err)
			continue
		}
		if _, err := m.apply(string(source)); err != nil {
			t.Errorf("line %d: %s: %v", m.line, m.Name, err)
		}
	}
}
