// Package chunkset remembers which chunks of the two devices are named by
// exceptions. It handles stores of any size in bounded memory. It finds
// repetitions, and gaps between the chunks of the COW device. It does not know
// what a repetition or a gap means: package verify does.
//
// In most stores the chunks are close together, and bitmaps of them fit in
// memory. A store with scattered chunks needs further passes over the same
// exceptions. The number of passes and their cost depend only on the number of
// exceptions.
//
//   - Repetitions on the origin: a sieve, which is a Bloom filter with all the
//     memory, lets through the chunks that may be repeated. They are few, and the
//     next pass counts them.
//   - Gaps and repetitions on the COW device: one pass counts the chunks in each
//     range. The next passes then sort as many of them as fit in memory, lowest
//     first.
package chunkset

// From the top down: rest, runs, gaps, lineup, sieve, suspects, seen, set, arena,
// page.
