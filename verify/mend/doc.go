// Package mend changes a COW store offline, or an origin by a store. Every
// change is a plan first: stages of writes, each followed by a flush if needed,
// as data that can be shown and tested. Plan.Run alone runs plans.
//
// It reads stores through package store and judges them with package verify. It
// opens no device and does not check who holds one or what may be done to it;
// its callers do. After a crash at any point of a plan, the snapshot's view is
// intact or the header says that it is not. Making and running the same plan
// again finishes the work.
package mend

// From the top down: restoration, restore, holds, revalidate, grow, apply, kept, keptdump, undo,
// compact, reclaim, repair, lost, overlay, dump, content, plan, subject.
