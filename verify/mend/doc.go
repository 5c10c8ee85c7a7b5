// Package mend is everything that changes a COW store offline. Every change is
// a plan first, data that can be printed and tested, and is then executed with
// its barriers in one place.
package mend
