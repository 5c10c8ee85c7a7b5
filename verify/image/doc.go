// Package image computes what a snapshot shows, from an origin and a COW store,
// and writes it: as a raw image, as a qcow2 image, or as a file to mount. It
// also finds the parts of an origin that have changed.
//
// It reads a store through package store and does not trust it: an exception
// that cannot be right is ignored and reported. It never writes to a store or
// an origin, and does not know device mapper.
package image

// From the top down: mount, bmap, qcow2, raw (formats), stored (copying in the
// order of the store, or through the page cache), walk (in that of the image),
// delta (what changed), trust (what is certain), image (reading), index (where each
// chunk is), spill (an index larger than memory), extent, span (ranges of bytes).
