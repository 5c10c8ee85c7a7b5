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
// has open either.
//
// Such a plan says which of its steps are the pause. Before the first of them a
// second process of this program is started, the guardian, which opens the
// control node, lays out its calls, locks its memory and says that it is ready;
// and this process locks its own memory, with what was swapped out read in
// again and some put by for what it will allocate. During the pause no file is
// opened and nothing is logged. After the last resume, or after the undo of a
// failure, all this ends.
//
// If this process dies in the pause, its end of a pipe closes. The guardian then
// resumes at once the origin that is in use: at any moment of the pause that
// lets I/O go on, with or without the snapshot's being active, because the only
// table that can wait in it is the live one once more. What else is suspended
// it leaves to Recover, which it runs next. If this process hangs instead, and
// the origin is still suspended after a minute, the guardian resumes it, too,
// and the plan is undone: the snapshot might be of no one moment. A guardian
// lives no longer than what it guards, but for the time that Recover takes.
// [BeGuardian] is how a program lends itself to that; without it, or when no
// guardian can be started, nothing is suspended.
//
// # After a death
//
// Every device of ours says by its UUID what it is for, and a snapshot has a
// name of its own until it is finished. Recover reads what a killed run left from
// that and from the tables; there is no journal that could be lost, or be left
// over after a reboot.
package dmctl
