//go:build !unix

package plan

// ignoreStops does nothing: on this system nobody stops a process.
func ignoreStops() (resume func()) { return func() {} }
