// Package cow is the on-disk format of the persistent dm-snapshot COW store:
// the header, exceptions, areas, and the arithmetic of where each lies.
//
// It imports nothing from this module, does no I/O and judges nothing. Package
// verify decides what is a leak, a duplicate or a stale record.
//
// The source of the format is the kernel's drivers/md/dm-snap-persistent.c. All
// numbers on disk are little-endian.
package cow

// From the top down: bounds, size, geometry, exception, header.
