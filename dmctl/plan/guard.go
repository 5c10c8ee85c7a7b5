package plan

// Guarded is the result of guarding suspended devices.
type Guarded struct {
	// Recovered says that a run died while devices were suspended, that their
	// I/O was resumed, and that recovery succeeded.
	Recovered bool
	Err       error
}
