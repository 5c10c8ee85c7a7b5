// Libraries say what is wrong; what to do about it is for the program to say.

package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// advising is a clause in the imperative after another one, a text such as "do
// it first", or a command to type. A text may begin with an imperative: steps of
// plans do.
var advising = regexp.MustCompile("[:;,(] ?(?:or |and |then |please )?" +
	"(?:do not|end|try|name|use|remove|unmount|load|choose|run|make|look|see|add|give|leave|clear|put|repair|rebuild|mount|call|wait|" +
	"start|stop|enlarge|grow|write|pass|set|install|upgrade|delete|move|copy|replace|open|close|read|keep|retry|continue|resume|" +
	"take|activate|modprobe)\\b" +
	"|[:;,(][^:;]* first\\)?$|(?:^|[^a-z])`[a-z]|\\bplease\\b|.dmsnapctl$|dmsnapctl[ `]|(?:^|[ (])--[a-z]")

// noAdvice are texts that look like advice, or like flags of the program, and are
// neither.
var noAdvice = map[string]bool{
	"mount %s (%s) at %s, read-only": true, // a step
	"after a snapshot is activated again, data can be written over its metadata, and read from there by others": true,
	"systemd-boot's default, set in its menu,":                                  true,
	"%s: nothing was changed: start the guardian of the devices to suspend: %w": true, // an operation that failed

	// GRUB's language.
	"--class": true, "--file": true, "--hotkey": true, "--id": true, "--source": true, "--unrestricted": true, "--users": true,
}

// adviceIn returns the texts of a source file that give advice or name a command
// or flag of the program, and the number of all texts.
func adviceIn(t *testing.T, file string) (found []string, all int) {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ImportSpec:
			return false
		case *ast.Field:
			n.Tag = nil
		case *ast.CallExpr:
			// A regular expression or the arguments of another program are no words.
			if of, ok := n.Fun.(*ast.SelectorExpr); ok && (of.Sel.Name == "MustCompile" || of.Sel.Name == "Command" || of.Sel.Name == "CommandContext") {
				return false
			}
		case *ast.BasicLit:
			text, err := strconv.Unquote(n.Value)
			if n.Kind != token.STRING || err != nil {
				return true
			}
			all++
			if advising.MatchString(text) && !noAdvice[text] {
				found = append(found, text)
			}
		}
		return true
	})
	return found, all
}

func TestLibrariesGiveNoAdvice(t *testing.T) {
	seen := 0
	for _, top := range []string{"dmctl", "verify"} {
		err := filepath.WalkDir(filepath.Join("..", "..", top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				found, all := adviceIn(t, path)
				seen += all
				for _, text := range found {
					t.Errorf("%s: %q: say what is wrong, and let hints.go say what to do", path, text)
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	if seen < 2000 {
		t.Errorf("only %d texts were read", seen)
	}
}

func TestAdviceIsSeen(t *testing.T) {
	for text, want := range map[string]bool{
		"it is mounted: end that first": true, "the store is intact: run it again to finish": true, "stopped at an I/O error (see dmesg)": true,
		"open (`fuser -v x` shows by what)": true, "%s is suspended; resume it": true,
		"it is mounted; take it down": true, "there is a store; activate it": true, "not loaded: modprobe x": true, "made by dmsnapctl": true, "it takes --force": true, "--force would do": true, "(--force would)": true, "dmsnapctl": false, "no---dash": false, "a table waits: the device must be resumed first": true,
		"clear the header of the store": false, "%s is suspended": false, "open by a program": false, "the store is marked invalid": false,
	} {
		if advising.MatchString(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}
