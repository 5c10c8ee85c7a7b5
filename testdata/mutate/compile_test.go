package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"
)

// listing is what the go command reports about a package.
type listing struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Export     string // the file with its compiled declarations
}

// compiler checks the types of changed files, without the bodies of functions in
// the other files of their packages.
type compiler struct {
	fset     *token.FileSet
	packages map[string]listing     // by directory
	outline  map[string][]*ast.File // the files without bodies, by directory
	imports  types.Importer
}

func newCompiler(root string, list []mutant) (*compiler, error) {
	var args []string
	for _, m := range list {
		args = append(args, "./"+path.Dir(m.File))
	}
	slices.Sort(args)
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Dir,GoFiles,Export"}, slices.Compact(args)...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	c := &compiler{fset: token.NewFileSet(), packages: make(map[string]listing), outline: make(map[string][]*ast.File)}
	exports := make(map[string]string)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listing
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		c.packages[l.Dir], exports[l.ImportPath] = l, l.Export
	}
	c.imports = importer.ForCompiler(c.fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	return c, nil
}

// others returns the other files of a package, without the bodies of functions.
func (c *compiler) others(l listing, file string) (files []*ast.File, err error) {
	if c.outline[l.Dir] == nil {
		for _, name := range l.GoFiles {
			f, err := parser.ParseFile(c.fset, filepath.Join(l.Dir, name), nil, 0)
			if err != nil {
				return nil, err
			}
			for _, d := range f.Decls {
				if code, is := d.(*ast.FuncDecl); is {
					code.Body = nil
				}
			}
			c.outline[l.Dir] = append(c.outline[l.Dir], f)
		}
	}
	return slices.DeleteFunc(slices.Clone(c.outline[l.Dir]), func(f *ast.File) bool { return c.fset.File(f.Pos()).Name() == file }), nil
}

// check returns why a file does not compile with this text in place of its own.
func (c *compiler) check(file, text string) error {
	l, is := c.packages[filepath.Dir(file)]
	if !is || !slices.Contains(l.GoFiles, filepath.Base(file)) {
		return fmt.Errorf("%s is in no package for this system", file)
	}
	files, err := c.others(l, file)
	if err != nil {
		return err
	}
	changed, err := parser.ParseFile(c.fset, file, text, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	var first error
	config := types.Config{Importer: c.imports, Error: func(err error) {
		if of, is := errors.AsType[types.Error](err); is && first == nil && c.fset.Position(of.Pos).Filename == file {
			first = err
		}
	}}
	_, _ = config.Check(l.ImportPath, c.fset, append(files, changed), nil) // Error has seen all
	return first
}

// TestMutantsCompile: one that does not would end a run of all, after an hour.
func TestMutantsCompile(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	list := theList(t, root)
	c, err := newCompiler(root, list)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range list {
		file := filepath.Join(root, m.File)
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text, err := m.apply(string(source))
		if err != nil {
			continue // TestListStands says so
		}
		if err := c.check(file, text); err != nil {
			t.Errorf("line %d: %s: %v", m.line, m.Name, err)
		}
		if i == 0 && c.check(file, string(source)+"\nfunc _() { unused := 1 }\n") == nil {
			t.Errorf("%s: a variable that is not used compiles", m.File)
		}
	}
}
