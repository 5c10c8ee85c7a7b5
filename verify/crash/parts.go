// Parts of a large epoch.

package crash

// part is one of several parts of an epoch's random states.
type part struct{ index, of int }

// sampled is how many of n random states are in a part.
func (p part) sampled(n int) int {
	if p.of == 1 {
		return n
	}
	return min(partStates, n-p.index*partStates)
}
