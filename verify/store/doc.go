// Package store opens a persistent COW store and reads it: the header, the
// geometry, and the list of exceptions in disk order, with read-ahead.
//
// All reading of stores goes through this package. It knows where the list ends
// and how to continue after areas that cannot be read. It judges nothing:
// package verify decides what is a leak, a duplicate or a verdict. It never
// writes, and it trusts nothing in a store: sizes are checked before memory is
// allocated, and memory does not grow with the store.
package store

// From the top down: list, store, readahead.
