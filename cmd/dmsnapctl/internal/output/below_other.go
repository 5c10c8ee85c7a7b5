//go:build !linux

package output

// filesBelow returns nothing: block devices are read only on Linux.
func filesBelow(string) []string { return nil }
