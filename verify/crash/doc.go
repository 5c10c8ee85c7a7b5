// Package crash reads dm-log-writes logs, enumerates the states that a crash
// could have left behind and asks package verify about each of them.
//
// A log ([Open]) is a list of writes, flushes and marks of one disk that
// carries an origin and its COW stores. What a crash can leave behind of it is
// a [State]: a prefix that is durable, and a choice among the writes behind
// its last flush. [Explore] enumerates states without writing any of them
// out: each differs from the last by a few blocks, and only the records and
// chunks that these blocks hold are judged again. [Lint] covers what can be
// said of all states at once in linear time.
//
// [Model] is the kernel's allocator of exceptions, with completion in order
// (fixed) and as copies finish (leaky), for crashes that no log recorded.
//
// The package knows nothing of device mapper's interface: recording a log is
// a plan of package dmctl.
package crash
