// Package store opens a persistent COW store and reads it: the header, the
// geometry, and the list of exceptions in the order of the disk, with reads
// under way ahead of the reader.
//
// Whatever reads stores reads them through this package. It knows where the
// list ends and how to go on behind areas that cannot be read. It judges
// nothing: what a leak, a duplicate or a verdict is, package verify knows. It
// never writes, and believes nothing that a store says: sizes are checked
// before anything is allocated, and memory does not grow with the store.
//
// From the top down: list, store, readahead.
package store
