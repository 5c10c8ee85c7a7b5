// Package packaging has the files of an installation, and tests that use them
// as installed. It has no code of its own.
package packaging
