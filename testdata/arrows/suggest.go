package main

import (
	"maps"
	"slices"
)

// suggest orders files so that few calls climb: again and again the file that
// calls most of what is left, and is called least by it, goes on top.
func suggest(calls map[string]map[string]int) (order []string) {
	left := make(map[string]bool)
	for from, to := range calls {
		left[from] = true
		for name := range to {
			left[name] = true
		}
	}
	for len(left) > 0 {
		names := slices.Sorted(maps.Keys(left))
		best := slices.MaxFunc(names, func(a, b string) int { return weight(calls, left, a) - weight(calls, left, b) })
		order = append(order, best)
		delete(left, best)
	}
	return order
}

// weight speaks for a file to stand above all that are left.
func weight(calls map[string]map[string]int, left map[string]bool, name string) (w int) {
	const called = 1000 // that nothing left calls it counts most
	for other := range left {
		if other != name {
			w += calls[name][other] - called*calls[other][name]
		}
	}
	return w
}
