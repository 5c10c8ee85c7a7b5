// Package blockdev opens block devices and plain files and tells what matters
// about them before anyone reads or writes: size, logical block size, who
// holds them, what signature they carry.
//
// It knows no store format and no device mapper table. Everything is opened
// read-only unless the caller asks for a writer, which takes O_EXCL on block
// devices.
//
// From the top down: mounts, reopen, inflight, sysfs, device, blkid, devno,
// direct, signature, holes.
package blockdev
