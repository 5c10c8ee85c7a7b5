// Package snaptab reads dmsnaptab(5), the table of snapshots and clones to
// activate at boot, and writes the systemd units that activate them.
//
// It knows the table, how systemd orders devices and mounts, and the command
// line that activates an entry. It must not access a device: generators run
// before devices exist.
//
// Files, from the top: unit.go (units of an entry), tab.go (the table),
// escape.go (names as systemd writes them).
//
// From the top down: unit, escape, tab.
package snaptab
