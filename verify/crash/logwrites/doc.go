// Package logwrites reads and writes the log of the device-mapper target
// log-writes, version 1 (dm-log-writes.c): a super block, then for each
// request a block with its header and, behind it, its data.
//
// [Open] indexes a log: what each entry is and where its data starts. The data
// stays where it is, and [Log.ReadData] reads it; an index takes 24 bytes an
// entry, whatever the size of the log. [Writer] writes logs.
//
// The package knows nothing of what the logged device carries.
//
// From the top down: scan, writer, log, entry, index.
package logwrites
