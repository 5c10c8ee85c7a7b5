// Package chunkset remembers which chunks of the two devices exceptions have
// named, for stores of any size on a bounded memory: it finds repetitions, and
// the gaps between the chunks of the COW device. It knows nothing of what a
// repetition or a gap means: package verify does.
//
// Chunks of most stores lie together, and bitmaps of them fit the memory. A
// store whose chunks are scattered is looked at in further passes over the
// same exceptions, whose number grows with that of the exceptions, and their
// cost with nothing else:
//
//   - Repetitions on the origin: a sieve, a Bloom filter with all the memory,
//     lets through the chunks that may be repeated. They are few, and the next
//     pass counts them.
//   - Gaps and repetitions on the COW device: one pass counts how many chunks
//     lie where, so that the next ones can put as many of them in order as
//     memory holds, lowest first.
//
// From the top down: rest.go, runs.go, gaps.go, lineup.go, sieve.go, suspects.go,
// seen.go, set.go, arena.go, page.go.
package chunkset
