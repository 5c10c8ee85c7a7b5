// Verify: from a device to a report.

package verify

import (
	"context"
	"io"
)

// Defaults of Options.
const (
	DefaultMaxFindings = 100
	DefaultMemory      = 36 << 20
)

// Options says how to judge. Its zero value judges all that can be judged
// without the origin.
type Options struct {
	// OriginBytes is the origin's size, 0 where it is unknown.
	OriginBytes int64
	// BlockBytes is the logical block size of the store's device, 0 where it is
	// unknown: the kernel takes a store only where its chunks are multiples.
	BlockBytes int
	// MaxFindings bounds the findings that are written out: 0 for
	// DefaultMaxFindings, less for none. All are counted.
	MaxFindings int
	// HeaderOnly looks no further than the header.
	HeaderOnly bool
	// Bins asks for what pictures show: bins, this number at most, and the
	// largest leaks.
	Bins int
	// Memory bounds the sets of chunks in bytes, 0 for DefaultMemory. A store
	// that needs more is read several times.
	Memory uint64
	// Progress, where it is not nil, is called at each area. It must not
	// take long.
	Progress func(Progress)
	// Live asks what the kernel says now of the store that it has active; nil
	// where it has not. The store must then be one that is read past the
	// page cache: the kernel writes below it.
	Live func(context.Context) (Moment, error)

	undecided bool // chunks that no exception names may be no leaks
}

// Progress is how far the judge has come.
type Progress struct {
	Area       uint64 // that is being judged
	Areas      uint64 // that the device holds: the list ends with the last, or before; from pass 2 on that the list has
	ChunkBytes uint64 // of an area
	Pass       int    // over the areas, from 1
	More       bool   // a further pass is needed, as far as is known
}

// Verify judges the store in r, a device or file of size bytes. What is wrong
// with the store is in the report, I/O errors in its areas included. An error
// means that there is no report, because not even the header could be read;
// or, where it is the context's, that the report is partial.
func Verify(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*Report, error) {
	if opt.Live != nil {
		return verifyLive(ctx, r, size, opt)
	}
	return verifyOnce(ctx, r, size, opt)
}
