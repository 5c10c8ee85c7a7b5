// Package check runs a checker, a program of the user's, on the images of crash
// states: the snapshot's, the origin's, or the whole disk's.
//
// Each image is a file in a FUSE mount, generated from the base image and the
// log on each read. The checker may write to it: its writes are visible only to
// it, go to an unnamed file, and vanish when the checker ends. States with the
// same image share one run.
//
// The package knows processes and mounts. It knows no file system: the checker
// must do what a mount would do first, such as replaying a journal. The package
// must not open its own mount, because a process that waits for itself can wait
// forever.
package check

// From the top down: check (exploring and checking at once), run (one run of the
// checker), room (the mount, and what killed runs left of theirs), group, lock, tally
// (what was found), view (the images).
