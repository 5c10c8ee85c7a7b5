// Package dmctl is the controller: it creates, lists and removes snapshots as
// transactions over device mapper.
//
//	c, err := dmctl.Open()
//	…
//	p, err := c.PlanCreate(ctx, dmctl.CreateRequest{Name: "snap", Origin: "/dev/vdb", COW: "/dev/vdc"})
//	…
//	err = c.Run(ctx, p)
//
// A request becomes a [Plan], a list of steps that each say what they do and
// can be undone. All that can be refused is refused while the plan is made; the
// plan is then run, and on failure undone in reverse. Package plan runs plans,
// package devices knows which mapped devices there are, package host opens
// block devices, package dmtest is a machine in memory for tests. Here stands
// what is done in which order, and what speaks against it. The bytes of a COW
// store belong to package verify; words for users, to the program.
//
// The origin and the COW device are opened once, by their paths. What is
// checked is what is zeroed, judged and loaded, wherever the paths lead by then.
//
// # The pause
//
// An origin that is in use changes its table within one call of the kernel
// where that can be: a resume that finds another table loaded suspends the
// device first, with a flush and a freeze of the file system, swaps the tables
// and lets I/O go on. There is no moment between two calls at which such an
// origin is suspended. Memory is locked around the call; where the kernel
// refuses the swap half-way, the old table is put back at once.
//
// Three plans need devices that stay suspended across calls. One more snapshot
// of a snapshot-origin that is live: the origin copies to it from the
// snapshot's own resume on, so that its I/O has to be held, and flushed, before
// that, until its own resume has it split I/O anew. A merge: the store is handed
// over from the snapshot, which nobody has open. A merge that failed and is
// started anew: the store is handed back, with the origin suspended, which nobody
// has open either. Package plan tells how such a pause is made safe; without
// [BeGuardian] nothing is suspended. The guardian may resume an origin in use at
// any moment of the pause, with or without the snapshot's being active: the only
// table that can wait in it is the live one once more. A snapshot made in a
// pause that was ended so might be of no one moment, and is undone.
//
// # After a death
//
// Every device of ours says by its UUID what it is for, and a snapshot has a
// name of its own until it is finished. Recover reads what a killed run left from
// that and from the tables; there is no journal that could be lost, or be left
// over after a reboot. Only a snapshot that lasts as long as a command has an
// intent in the run directory: its tables do not tell that nobody waits for the
// command any more, nor LVM's that it is ours.
//
// # Clones
//
// A clone is a snapshot of a base that nobody writes to, with no snapshot-origin.
// Loop devices clear themselves when their last user goes, so that none is left
// of a run that dies. Its files could be: a new store has a name that no other
// file ever has until its clone is there, and a note in /run, which is gone after
// a reboot, says which. Many clones are parts of one plan, each of which is
// undone by itself.
//
// From the top down: activateclone, clone, reset, merge, removeclones,
// mergeagain, grow, recoverstores, guardian, recover, withsnapshot, create,
// remove, mergestart, mergeend, record, storeuser, suspend, origin, rename,
// status, activate, layout, prepare, clonefiles, controller, repairfirst,
// errors, names.
package dmctl
