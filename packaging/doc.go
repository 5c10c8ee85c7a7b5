// Package packaging holds what an installation consists of, and the tests that
// use it as installed. It has no code of its own.
package packaging
