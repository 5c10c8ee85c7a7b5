package main

import (
	"maps"
	"slices"
)

// graph counts the calls from each file to each other file.
type graph map[string]map[string]int

// suggest orders files so that few calls go up. It repeatedly puts on top a
// file that is not called by any remaining file, except by files of the same
// cycle. In a cycle, the file that calls most and is called least comes first.
func suggest(calls graph) (order []string) {
	left := make(map[string]bool)
	for from, to := range calls {
		left[from] = true
		for name := range to {
			left[name] = true
		}
	}
	reach := make(map[string]map[string]bool)
	for name := range left {
		reach[name] = calls.reached(name)
	}
	for len(left) > 0 {
		names := slices.DeleteFunc(slices.Sorted(maps.Keys(left)), func(name string) bool {
			for other := range left {
				if other != name && calls[other][name] > 0 && !reach[name][other] {
					return true
				}
			}
			return false
		})
		best := slices.MaxFunc(names, func(a, b string) int { return calls.weight(left, a) - calls.weight(left, b) })
		order = append(order, best)
		delete(left, best)
	}
	return order
}

// reached returns the files that a file calls, directly or through others.
func (g graph) reached(from string) map[string]bool {
	seen := make(map[string]bool)
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for to := range g[todo[0]] {
			if !seen[to] {
				seen[to] = true
				todo = append(todo, to)
			}
		}
	}
	return seen
}

// weight is high for a file that belongs above the remaining files of its
// cycle.
func (g graph) weight(left map[string]bool, name string) (w int) {
	for other := range left {
		if other != name {
			w += g[name][other] - 3*g[other][name]
		}
	}
	return w
}
