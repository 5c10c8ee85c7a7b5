package main

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed packages.txt
var packagesText string

// packageOrder is the packages of this module from the top down.
func packageOrder() []string {
	var order []string
	for line := range strings.Lines(packagesText) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			order = append(order, line)
		}
	}
	return order
}

// climbingImports returns which imports of a package go up, in sentences. Other
// modules have no place in the order.
func (p *source) climbingImports(order []string) (wrong []string) {
	place := slices.Index(order, p.name)
	if place < 0 {
		return []string{"it has no place in testdata/arrows/packages.txt"}
	}
	for _, name := range p.imports {
		if at := slices.Index(order, name); at >= 0 && at < place {
			wrong = append(wrong, fmt.Sprintf("it imports %s, which is above it", name))
		}
	}
	return wrong
}

// missing returns the packages in an order that do not exist, in sentences.
func missing(packages []*source, order []string) (wrong []string) {
	for _, name := range order {
		if !slices.ContainsFunc(packages, func(p *source) bool { return p.name == name }) {
			wrong = append(wrong, name+" is in testdata/arrows/packages.txt, and no package")
		}
	}
	return wrong
}
