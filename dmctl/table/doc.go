// Package table is device-mapper tables as typed values: targets to and from
// the text that dmsetup and the kernel read, and status lines to values.
//
// It does no I/O and knows no kernel that it was not told of.
//
// From the top down: faulty, snapshot, simple, lint, concise, parse, check,
// rules, target, words, status.
package table
