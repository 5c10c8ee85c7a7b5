// Package dmctl is the controller: it creates, lists and removes snapshots as
// transactions over device mapper.
//
// A request becomes a [Plan], a list of reversible steps that alone knows the
// order of operations; the plan is then run against the kernel seam, and on
// failure undone in reverse. The package knows kernels and devices; the bytes
// of a COW store belong to package verify.
//
// # The pause
//
// An origin that is in use changes its table within one call of the kernel: a
// resume that finds another table loaded suspends the device first, with a flush
// and a freeze of the file system, swaps the tables and lets I/O go on. There is
// no moment between two calls at which an origin is suspended, and so none at
// which the death of this process, or a page that it lacks, could leave it so.
// That is why no second process stands by to resume it. The one exception is a
// swap that the kernel refuses half-way; for that case memory is locked around
// the call, and the old table is put back at once.
//
// Devices that are suspended on their own, across calls, are those that nobody
// has open: a snapshot about to be merged, and the origin of a merge that failed
// and is started anew.
//
// # After a death
//
// Every device of ours says by its UUID what it is for, and a snapshot has a
// name of its own until it is finished. Recover reads what a killed run left from
// that and from the tables; there is no journal that could be lost, or be left
// over after a reboot.
package dmctl
