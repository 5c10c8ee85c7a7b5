// Package snaptab reads dmsnaptab(5), the table of snapshots and clones to
// activate at boot, and writes the systemd units that activate them.
//
// It knows the table, how systemd orders devices and mounts, and the command
// line that activates an entry. It must not access a device: generators run
// before devices exist.
package snaptab

// From the top down: unit (units of an entry), escape (names as systemd writes
// them), tab (the table).
