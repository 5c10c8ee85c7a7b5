// Package blockdev opens block devices and plain files, and reports what
// matters before anyone reads or writes them: size, logical block size, holders
// and signatures.
//
// It knows no store format, only its magic number, and no device mapper table. It
// opens everything read-only unless the caller asks for a writer. Writers open
// block devices with O_EXCL.
package blockdev

// From the top down: mounts, reopen, inflight, cache, room (a file's), sysfs, device,
// blkid, devno, direct, signature, readfull, holes.
