// Package table converts device-mapper tables between typed values and the text
// that dmsetup and the kernel read, and parses status lines.
//
// It does no I/O. What depends on the kernel's version, it takes as an
// argument.
package table

// From the top down: lint, concise, parse, faulty, snapshot, simple, check,
// rules, target, words, status.
