// Package image makes of an origin and a COW store what a snapshot of the two
// shows, and writes it: as a raw image, as a qcow2 image, as a file to mount;
// and it tells which parts of an origin have changed.
//
// It reads a store through package store, and never believes it: an exception
// that cannot be right names no bytes here, and is reported. It must not
// write to a store or an origin, and knows no device mapper.
//
// From the top down: mount.go, raw.go, qcow2.go and bmap.go (formats), walk.go (what to
// copy, in order), delta.go (what changed), image.go (reading), trust.go (what
// is certain), index.go (where each chunk is), spill.go (an index larger than
// memory), span.go (ranges of bytes).
package image
