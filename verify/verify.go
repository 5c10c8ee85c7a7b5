// Verify: from a device to a report.

package verify

import (
	"context"
	"io"
)

// Defaults of Options.
const (
	DefaultMaxFindings = 100
	DefaultMemoryBytes = 36 << 20
)

// Options says how to judge. The zero value judges everything that can be
// judged without the origin.
type Options struct {
	// OriginBytes is the origin's size; 0 if unknown.
	OriginBytes int64
	// BlockBytes is the logical block size of the store's device; 0 if unknown.
	// The kernel accepts only chunk sizes that are multiples of it.
	BlockBytes int
	// MaxFindings bounds the findings in the report: 0 means
	// DefaultMaxFindings, a negative number none. All are counted.
	MaxFindings int
	// HeaderOnly reads only the header.
	HeaderOnly bool
	// Bins asks for at most this number of bins, and for the largest leaks,
	// both for pictures.
	Bins int
	// MemoryBytes bounds the sets of chunks, in bytes; 0 means
	// DefaultMemoryBytes. A store that needs more is read several times.
	MemoryBytes int64
	// Progress, if not nil, is called at each area. It must return quickly.
	Progress func(Progress)
	// Live returns what the kernel says now of an active store; nil if the
	// store is not active. The store must then be read past the page cache,
	// because the kernel writes below it.
	Live func(context.Context) (Moment, error)

	undecided bool // chunks that no exception names may not be leaks
}

// Progress is how far the judge has come.
type Progress struct {
	Area       uint64 // being judged
	Areas      uint64 // in pass 1 those that fit on the device, then those in the list
	ChunkBytes int64  // of an area
	Pass       int    // over the areas, from 1
	More       bool   // a further pass is needed, as far as is known
}

// Verify judges the store in r, a device or file of size bytes. Everything
// wrong with the store is in the report, including I/O errors in its areas. On
// an error there is no report, because even the header could not be read; but
// if the error is the context's, there is a partial one.
func Verify(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*Report, error) {
	if opt.Live != nil {
		return verifyLive(ctx, r, size, opt)
	}
	return verifyOnce(ctx, r, size, opt)
}
