// Package crash enumerates the states that a crash could have left behind of a
// dm-log-writes log, and asks package verify about each of them.
//
// A log (package logwrites) is a list of writes, flushes and marks of one disk
// that carries an origin and its COW stores. What a crash can leave behind of it
// is a [State]: a prefix that is durable, and a choice among the writes behind
// its last flush. [Explore] enumerates states without writing any of them
// out: each differs from the last by a few blocks, and only the records and
// chunks that these blocks hold are judged again. The lint in a [Report] covers
// what can be said of all states at once in linear time.
//
// The package knows nothing of device mapper's interface: recording a log is
// a plan of package dmctl. It prints nothing, and knows no command line.
package crash
