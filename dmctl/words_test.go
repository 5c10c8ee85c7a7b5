package dmctl

// The messages of the controller's packages: they say what is wrong, and leave
// it to the program to say what to do.

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

// ofTheProgram matches a command or a flag of the program in a text.
var ofTheProgram = regexp.MustCompile("dmsnapctl( |`|$)|(^|[ (])--[a-z]")

func TestNoTextNamesACommandOrFlag(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && d.Name() == "gate" { // GRUB's language has flags, too
			return map[bool]error{true: fs.SkipDir, false: err}[err == nil]
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			lit, is := n.(*ast.BasicLit)
			if !is || lit.Kind != token.STRING {
				return true
			}
			text, err := strconv.Unquote(lit.Value)
			seen++
			if err != nil || text != "dmsnapctl" && ofTheProgram.MatchString(text) {
				t.Errorf("%s: %s", fset.Position(lit.Pos()), lit.Value)
			}
			return true
		})
		return nil
	})
	if err != nil || seen < 500 {
		t.Errorf("%d texts, %v", seen, err)
	}
}
