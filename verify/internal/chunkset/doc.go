// Package chunkset remembers which chunks of the two devices exceptions have
// named, for stores of any size on a bounded memory. It knows nothing of what
// a repetition or a gap means: package verify does.
package chunkset
