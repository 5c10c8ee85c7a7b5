//go:build !linux

package plan

// ignoreStops does nothing: on this system nothing can be suspended.
func ignoreStops() (restore func(), err error) { return func() {}, nil }
