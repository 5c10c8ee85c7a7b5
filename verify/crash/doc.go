// Package crash enumerates the states that a crash can leave behind, from a
// dm-log-writes log, and has package verify judge each of them.
//
// A log (package logwrites) is a list of writes, flushes and marks of one disk
// with an origin and its COW stores. A [State] is what a crash can leave: a
// durable prefix, and a choice among the writes after its last flush. [Explore]
// enumerates states without writing them out: each differs from the previous
// one by a few blocks, and only the records and chunks in these blocks are
// judged again. The lint in a [Report] checks, in linear time, what holds for
// all states at once.
//
// The package knows nothing of device mapper's interface: package dmctl records
// logs. It prints nothing, and knows no command line.
package crash

// From the top down: explore, lint, workers, visitor, explorer, forget, discards,
// freeze, shown, written, again, second, combine (explore a log); states_svg,
// timeline_svg, rates_svg, drawn (pictures); failure, enumerate, choices, legal,
// cells, promises, upper, overlay, checks (states and their judgement); outcome,
// store, image, contents, disk, history, layout, unit, shard, options, growth,
// marks, doubts, base, chunks, facts, names, parts, pictured, region, report, state,
// timeline (what they know).
