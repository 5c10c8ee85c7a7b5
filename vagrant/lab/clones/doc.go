// Package clones tests that clones survive their machine: many clones of one
// image are used, reset and removed, then the power is cut and the machine
// boots again. It knows how to boot machines, and uses the controller like any
// importer.
package clones
