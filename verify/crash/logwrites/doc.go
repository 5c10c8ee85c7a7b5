// Package logwrites reads and writes the log of the device-mapper target
// log-writes, version 1 (dm-log-writes.c): a super block, and then for each
// request a block with its header, followed by its data.
//
// [Open] indexes a log: the kind of each entry and the place of its data.
// [Log.ReadData] reads the data from the log; an index takes 24 bytes per
// entry, regardless of the size of the log. [Writer] writes logs.
//
// The package knows nothing of what is on the logged device.
package logwrites

// From the top down: scan, writer, log, entry, index.
