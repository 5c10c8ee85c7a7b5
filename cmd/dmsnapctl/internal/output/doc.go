// Package output writes results to files and streams; nothing else in the
// program does.
//
// It knows the rules for files (Destination), one encoder for JSON, one writer
// for Prometheus' text format, the line of a monitoring plugin, and how to
// escape foreign names that could control a terminal. It knows no command, no
// flag, no exit code and no result: its callers decide what is written, and what
// a refusal means for the run.
package output

// From the top down: destination, beside, unnamed, place, reads, below, owner (files); object, json,
// prometheus, plugin, stream (forms); name (words); locale.
