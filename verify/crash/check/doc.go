// Package check runs a checker, a program of the user's, on what crash states
// show: the snapshot's image, the origin's, or the whole disk.
//
// Each image is a file of a FUSE mount, made of the base image and the log as
// it is read. The checker may write to it: what it writes is seen by it alone,
// goes to a file without a name, and is gone when the checker ends. States of
// the same image share one run.
//
// The package knows processes and mounts. It knows no file system: what a mount
// would do first (a journal to replay) is the checker's to do. It must not
// open its own mount: a process that waits for itself can wait for ever.
//
// Files: check.go (exploring and checking at once) calls tally.go (what was
// found), room.go (the mount, and what killed runs left of theirs), view.go
// (the images) and run.go (one run of the checker).
package check
