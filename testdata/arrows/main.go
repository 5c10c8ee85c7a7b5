// Arrows checks that calls within a package, and imports between packages, go
// down. A package lists its files from the top down in a comment below a package
// clause, where its documentation does not show it, and no function may call a
// function of a file that is higher in the list. A package of few files needs no
// list, but must have some such order. packages.txt lists the packages.
//
//	go run ./testdata/arrows [-suggest] [PACKAGES]
//
// It prints each call and each import that goes up, and fails if there is one.
package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	help := flag.Bool("suggest", false, "print an order for each package instead")
	flag.Parse()
	patterns := flag.Args()
	if len(patterns) == 0 {
		patterns = []string{"./..."}
	}
	packages, err := load(patterns)
	if err != nil {
		fmt.Fprintln(os.Stderr, "arrows:", err)
		os.Exit(3)
	}
	if *help {
		for _, p := range packages {
			names := suggest(p.between())
			order := make(map[string]int)
			for i, name := range names {
				order[name] = i
			}
			fmt.Printf("%s: %s\n", p.path, strings.Join(names, ", "))
			for _, line := range p.climbing(order) {
				fmt.Println("\t" + line)
			}
		}
		return
	}
	wrong := judgeAll(packages, packageOrder())
	if flag.NArg() == 0 {
		wrong = append(wrong, missing(packages, packageOrder())...)
	}
	for _, line := range wrong {
		fmt.Println(line)
	}
	fmt.Printf("%d packages, %d wrong\n", len(packages), len(wrong))
	if len(wrong) > 0 {
		os.Exit(1)
	}
}

// judgeAll returns what is wrong with packages in this order, in lines.
func judgeAll(packages []*source, order []string) (wrong []string) {
	for _, p := range packages {
		for _, line := range append(p.judge(), p.climbingImports(order)...) {
			wrong = append(wrong, p.path+": "+line)
		}
	}
	return wrong
}

// mostUnlisted is how many files a package may have without a list of them.
const mostUnlisted = 5

// judge returns what is wrong with a package, in sentences.
func (p *source) judge() (wrong []string) {
	if listedForImporters(p.files) {
		return []string{"the package comment lists the files: move the list below the package clause"}
	}
	order := listed(p.files)
	stems := make(map[string]bool)
	for _, f := range p.files {
		stems[stem(p.fset, f.Pos())] = true
	}
	if len(order) == 0 {
		if len(stems) > mostUnlisted {
			return []string{fmt.Sprintf("%d files, and no comment below a package clause lists them", len(stems))}
		}
		for i, name := range suggest(p.between()) {
			order[name] = i
		}
		return p.climbing(order)
	}
	for name := range order {
		if !stems[name] {
			wrong = append(wrong, name+" is listed, and no file")
		}
	}
	for name := range stems {
		if _, ok := order[name]; !ok && name != "doc" {
			wrong = append(wrong, name+".go is in no list")
		}
	}
	return append(wrong, p.climbing(order)...)
}

// climbing finds the calls from one file to another that is above it.
func (p *source) climbing(order map[string]int) (wrong []string) {
	seen := make(map[string]bool)
	p.calls(func(from, caller, to, called string) {
		line := fmt.Sprintf("%s.go: %s calls %s, up in %s.go", from, caller, called, to)
		if order[to] < order[from] && !seen[line] {
			seen[line] = true
			wrong = append(wrong, line)
		}
	})
	return wrong
}

// between counts the calls from each file to each other file.
func (p *source) between() graph {
	counts := make(graph)
	p.calls(func(from, _, to, _ string) {
		if counts[from] == nil {
			counts[from] = make(map[string]int)
		}
		counts[from][to]++
	})
	return counts
}

// calls visits each use, by name, of a function of this package in another
// declaration: a function, a variable or a type. Calls through an interface
// cannot be resolved.
func (p *source) calls(visit func(from, caller, to, called string)) {
	for _, file := range p.files {
		from := stem(p.fset, file.Pos())
		for _, part := range declared(file) {
			ast.Inspect(part.node, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				if !ok {
					return true
				}
				called, ok := p.uses[id].(*types.Func)
				if !ok || called.Pkg() != p.types {
					return true
				}
				visit(from, part.name, stem(p.fset, called.Origin().Pos()), called.Name())
				return true
			})
		}
	}
}

// named is a declaration and its name: the first one if it has several.
type named struct {
	name string
	node ast.Node
}

// declared returns what a file declares, in its order.
func declared(file *ast.File) (all []named) {
	for _, declaration := range file.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			all = append(all, named{d.Name.Name, d})
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					all = append(all, named{s.Names[0].Name, s})
				case *ast.TypeSpec:
					all = append(all, named{s.Name.Name, s})
				}
			}
		}
	}
	return all
}

// stem is a file's name without the part that says for which system it is
// built.
func stem(fset *token.FileSet, at token.Pos) string {
	name := strings.TrimSuffix(filepath.Base(fset.Position(at).Filename), ".go")
	for _, system := range []string{"_linux", "_unix", "_other", "_darwin", "_windows"} {
		name = strings.TrimSuffix(name, system)
	}
	return name
}
