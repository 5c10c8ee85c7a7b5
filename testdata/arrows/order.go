package main

import (
	"go/ast"
	"regexp"
	"strings"
)

var (
	aside = regexp.MustCompile(`\([^)]*\)`)
	list  = regexp.MustCompile(`(?s)[Ff]rom the top down: ([^.]*(?:\.go[^.]*)*)\.(?:\s|$)`)
)

// listed reads the order of a package's files from its comment: the place of each
// by its name; none where there is no list. "From the top down: a, b (what b is for), c."
func listed(files []*ast.File) map[string]int {
	order := make(map[string]int)
	for _, f := range files {
		m := list.FindStringSubmatch(f.Doc.Text())
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
