// Package snaptab reads dmsnaptab(5), the table of snapshots and clones that
// are activated at boot, and writes the systemd units that do it.
//
// It knows the table, how systemd orders devices and mounts, and which command
// line activates an entry. It must not touch a device: generators run before
// there are any.
//
// Files, from the top: unit.go (units of an entry), tab.go (the table),
// escape.go (names as systemd writes them).
//
// From the top down: unit, escape, tab.
package snaptab
