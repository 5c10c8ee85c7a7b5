package devices

// Tables that are known only in outline.

import (
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// Unread stands for a target whose parameters were deliberately not read. A
// table that contains one cannot be loaded.
type Unread struct{ Target string }

// Type returns the target's name in the kernel.
func (u Unread) Type() string { return u.Target }

// Params returns "": the parameters are not known.
func (u Unread) Params() string { return "" }

// IsUnread reports whether a table has a target that was not read.
func IsUnread(t table.Table) bool {
	for _, l := range t {
		if _, is := l.Spec.(Unread); is {
			return true
		}
	}
	return false
}

// outline returns what status lines say of a table.
func outline(lines []StatusLine) table.Table {
	t := make(table.Table, len(lines))
	for i, l := range lines {
		t[i] = table.Target{Start: l.Start, Length: l.Length, Spec: Unread{l.Type}}
	}
	return t
}
