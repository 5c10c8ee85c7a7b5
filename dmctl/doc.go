// Package dmctl is the controller: it creates, lists, merges and removes
// snapshots as transactions over device mapper.
//
//	c, err := dmctl.Open()
//	…
//	p, err := c.PlanCreate(ctx, dmctl.CreateRequest{Name: "snap", Origin: "/dev/vdb", COW: "/dev/vdc"})
//	…
//	err = c.Run(ctx, p)
//
// A request becomes a [Plan], a list of steps that each describe themselves and
// can be undone. Every check happens while the plan is made. The plan is then
// run, and undone in reverse order if it fails. Package plan runs plans,
// package devices knows the mapped devices, package host opens block devices,
// and package dmtest is an in-memory machine for tests. This package decides
// the order of the steps and the reasons to refuse a request. Package verify
// owns the contents of COW stores; the program owns the words for users.
//
// The origin and the COW device are each opened once, by path. The devices that
// are checked are the ones that are zeroed, verified and loaded, even if the
// paths point elsewhere by then.
//
// # The pause
//
// Where possible, an origin that is in use changes its table within one kernel
// call. A resume that finds another table loaded first suspends the device,
// with a flush and a freeze of the file system, then swaps the tables and lets
// I/O continue. The origin is never suspended between two calls. Memory is
// locked around the call. If the kernel refuses the swap half-way, the old
// table is put back at once.
//
// Three plans need devices that stay suspended across calls.
//
// The first adds a snapshot to a live snapshot-origin. The origin copies to the
// snapshot from the snapshot's resume on. So the origin's I/O must be flushed
// and held before that, until the origin's own resume makes it split I/O again.
//
// The second is a merge: the snapshot, which nobody has open, hands over its
// store.
//
// The third restarts a failed merge: the store is handed back while the origin
// is suspended, and nobody has the origin open either.
//
// Package plan describes how such a pause is made safe; without [BeGuardian]
// nothing is suspended. The guardian may resume an origin in use at any moment
// of the pause, whether or not the snapshot is active: the only table that can
// be waiting in the origin is a copy of the live one. A snapshot made in a
// pause that ended this way may mix several moments, so it is undone.
//
// # After a death
//
// The UUID of each of our devices says what the device is for, and a snapshot
// has a temporary name until it is finished. From these and from the tables,
// Recover works out what a killed run left of devices. Two things need a file in
// the run directory, which a reboot empties. A snapshot that lasts as long as a
// command has an intent: its tables cannot show that nobody waits for the
// command any more, and LVM's tables cannot show that the snapshot is ours. New,
// replaced and deleted store files have notes: a file that no device uses is in
// no table.
//
// # Clones
//
// A clone is a snapshot, without a snapshot-origin, of a base that nobody
// writes to. Loop devices clear themselves when their last user goes, so a
// killed run leaves none. It can leave files. So a new store has a name that no
// other file ever has until its clone exists, and a note in the run directory
// records it. After a reboot, PlanRecoverStores finds the file by this name. Many
// clones are parts of one plan; each part is
// undone by itself.
package dmctl

// From the top down: rescue, activateclone, clone, cloning, reset, merge, removeclones,
// mergeagain, grow, recoverstores, guardian, recover, withsnapshot, create,
// intents, remove, mergestart, mergeend, recordabove, record, clearlog, storeuser,
// suspend, origin, rename, status, activate, layout, prepare, layerable,
// clonefiles, controller, repairfirst, errors, names.
