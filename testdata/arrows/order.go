package main

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

var (
	aside = regexp.MustCompile(`\([^)]*\)`)
	list  = regexp.MustCompile(`(?s)[Ff]rom the top down: ([^.]*(?:\.go[^.]*)*)\.(?:\s|$)`)
)

// listed reads the order of a package's files from a comment between the package
// clause and the first declaration of one of them: the place of each by its name;
// none where there is no list. "From the top down: a, b (what b is for), c."
func listed(files []*ast.File) map[string]int {
	order := make(map[string]int)
	for _, f := range files {
		m := list.FindStringSubmatch(ownersComments(f))
		if m == nil {
			continue
		}
		for _, name := range strings.FieldsFunc(aside.ReplaceAllString(m[1], ""), func(r rune) bool { return strings.ContainsRune(",; \n", r) }) {
			if name != "and" {
				order[strings.TrimSuffix(name, ".go")] = len(order) + 1
			}
		}
		return order
	}
	return order
}

// listedForImporters reports whether a package comment has the list. The names of
// files are nothing for those who read the documentation of a package.
func listedForImporters(files []*ast.File) bool {
	return slices.ContainsFunc(files, func(f *ast.File) bool { return list.MatchString(f.Doc.Text()) })
}

// ownersComments are the comments between a file's package clause and its first
// declaration: no documentation shows them.
func ownersComments(f *ast.File) string {
	var b strings.Builder
	for _, c := range f.Comments {
		if c.Pos() > f.Name.End() && (len(f.Decls) == 0 || c.End() < f.Decls[0].Pos()) {
			b.WriteString(c.Text() + "\n")
		}
	}
	return b.String()
}
