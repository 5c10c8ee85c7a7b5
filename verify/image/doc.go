// Package image makes of an origin and a COW store what a snapshot of the two
// shows, and writes it: as a raw image, as a qcow2 image, as a file to mount;
// and it tells which parts of an origin have changed.
//
// It reads a store through package store, and never believes it: an exception
// that cannot be right names no bytes here, and is reported. It must not
// write to a store or an origin, and knows no device mapper.
//
// From the top down: mount, bmap, qcow2, raw (formats), walk (what to copy, in
// order), delta (what changed), trust (what is certain), image (reading), index
// (where each chunk is), spill (an index larger than memory), extent, span (ranges
// of bytes).
package image
