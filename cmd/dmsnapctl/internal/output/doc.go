// Package output is the one way out of the program: how a result is written to
// a file or a stream, and in which form.
//
// It knows the rules for files (Destination), one encoder for JSON, one writer
// for Prometheus' text format, and names from outside that must not command a
// terminal. It knows no command, no flag, no exit code and no
// result: what is written, and what a refusal means for the run, is its
// callers' business.
//
// From the top down: destination, beside, place, reads, below, owner (files); json,
// prometheus, stream (forms); name (words); locale.
package output
