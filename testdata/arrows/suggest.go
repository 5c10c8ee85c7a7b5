package main

import (
	"maps"
	"slices"
)

// graph counts the calls from each file to each other.
type graph map[string]map[string]int

// suggest orders files so that few calls climb: again and again one that nothing
// left calls, but for files that it calls itself in a circle, goes on top. In a
// circle it is the one that calls most and is called least.
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

// reached are the files that a file calls, and those that they call.
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

// weight speaks for a file to stand above those of its circle that are left.
func (g graph) weight(left map[string]bool, name string) (w int) {
	for other := range left {
		if other != name {
			w += g[name][other] - 3*g[other][name]
		}
	}
	return w
}
