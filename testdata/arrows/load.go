package main

import (
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
	"path/filepath"
	"strings"
)

// source is a package of this module, parsed and with its names resolved.
type source struct {
	path string
	name string // the path in its module
	// imports are the imported packages of the same module, by name.
	imports []string
	fset    *token.FileSet
	files   []*ast.File
	types   *types.Package
	uses    map[*ast.Ident]types.Object
}

// listing is what the go command reports about a package.
type listing struct {
	ImportPath string
	Module     struct{ Path string }
	Imports    []string
	Dir        string
	GoFiles    []string
	Export     string // the file with its compiled declarations
	DepOnly    bool
}

// load reads the packages that match the patterns, as they are built on this
// system.
func load(patterns []string) ([]*source, error) {
	all, err := goList(patterns)
	if err != nil {
		return nil, err
	}
	exports := make(map[string]string)
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	fset := token.NewFileSet()
	compiled := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no declarations of %s", path)
		}
		return os.Open(exports[path])
	})
	var found []*source
	for _, l := range all {
		if l.DepOnly || len(l.GoFiles) == 0 {
			continue
		}
		s, err := read(l, fset, compiled)
		if err != nil {
			return nil, err
		}
		found = append(found, s)
	}
	return found, nil
}

func goList(patterns []string) (all []listing, err error) {
	cmd := exec.Command("go", append([]string{"list", "-export", "-deps", "-json=ImportPath,Module,Imports,Dir,GoFiles,Export,DepOnly"}, patterns...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listing
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
}

func read(l listing, fset *token.FileSet, imports types.Importer) (*source, error) {
	s := &source{path: l.ImportPath, name: strings.TrimPrefix(l.ImportPath, l.Module.Path+"/"), fset: fset, uses: make(map[*ast.Ident]types.Object)}
	for _, path := range l.Imports {
		if name, ours := strings.CutPrefix(path, l.Module.Path+"/"); ours {
			s.imports = append(s.imports, name)
		}
	}
	for _, name := range l.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(l.Dir, name), nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, f)
	}
	var err error
	s.types, err = (&types.Config{Importer: imports}).Check(l.ImportPath, fset, s.files, &types.Info{Uses: s.uses})
	return s, err
}
