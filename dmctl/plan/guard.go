package plan

// Guarded is what came of standing guard.
type Guarded struct {
	// Recovered says that a run died while devices were suspended: their I/O
	// goes on, and what it left was put in order.
	Recovered bool
	Err       error
}
