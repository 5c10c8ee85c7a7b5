// Package mend is everything that changes a COW store offline, or an origin by
// a store. Every change is a plan first: stages of writes, each with the
// barrier behind it, as data that can be shown, tested and taken apart. One
// place runs plans.
//
// It reads stores through package store and judges them by package verify. It
// opens no device and asks nobody: who holds a device, and what may be done to
// it, its callers know. After a crash at any moment of a plan the snapshot's
// view is whole, or its header says that it is not; the same plan, made anew,
// finishes.
//
// From the top down: restore, revalidate, apply, undo, compact, reclaim,
// repair, lost, overlay, dump, plan, subject.
package mend
