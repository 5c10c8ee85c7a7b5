// Package cow is the on-disk format of the persistent dm-snapshot COW store:
// header, exceptions, areas and the arithmetic of where each of them lies.
//
// It is the ground floor: it imports nothing of this module, does no I/O and
// judges nothing. What a leak, a duplicate or a stale record is, package
// verify knows.
//
// The format was read from the kernel's drivers/md/dm-snap-persistent.c. All
// numbers on disk are little-endian.
//
// From the top down: bounds, size, geometry, exception, header.
package cow
