// Legal states: what may be durable together. Which entries of an epoch this is
// asked of, and how each can be torn, is in choices.go.

package crash

// chain holds the rules of what may be durable together, choice by choice.
// Commits and FUA headers of a store are durable as a prefix, and the next one
// may be torn. An origin write is durable only with all of those logged before
// it.
type chain struct {
	missing uint64 // stores with one of these not durable, a bit each
}

// allows reports whether a choice may be picked this way.
func (c chain) allows(ch *choice, p pick) bool {
	switch {
	case p == none:
		return true
	case ch.ordered:
		return c.missing>>ch.store&1 == 0
	case ch.kind == origins:
		return c.missing == 0
	default:
		return true
	}
}

// after returns the chain after a choice was picked this way.
func (c chain) after(ch *choice, p pick) chain {
	if ch.ordered && p != whole {
		c.missing |= 1 << ch.store
	}
	return c
}
