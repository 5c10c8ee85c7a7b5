// Waiting: how to tell reads that wait for a device from reads that copy
// memory.

package main

import (
	"context"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

const (
	// slowRead is longer than a read from memory takes, and shorter than a
	// read from a disk.
	slowRead = 30 * time.Microsecond
	// waitingScore is how many more reads must be slow than quick: a busy
	// machine interrupts quick ones too.
	waitingScore = 8
	// sampledReads is the share of reads that are timed, one in this many:
	// reading the clock costs as much as a read from memory.
	sampledReads = 16
)

// patientReader gives Go's scheduler a processor for each read that can be
// under way, once reads turn out to wait for the device: the scheduler is slow
// to notice that a read waits. Without them, a store in the page cache is read
// faster.
type patientReader struct {
	io.ReaderAt
	wait  func() // called once
	once  sync.Once
	reads atomic.Uint32
	score atomic.Int32
}

func newPatientReader(r io.ReaderAt) *patientReader {
	return &patientReader{ReaderAt: r, wait: func() {
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), store.Depth+2))
	}}
}

// ReadAt implements io.ReaderAt. The first reads are all timed, because a
// store may have no more.
func (r *patientReader) ReadAt(p []byte, off int64) (int, error) {
	if n := r.reads.Add(1); n > 2*waitingScore && n%sampledReads != 0 {
		return r.ReaderAt.ReadAt(p, off)
	}
	start := time.Now()
	n, err := r.ReaderAt.ReadAt(p, off)
	r.took(time.Since(start))
	return n, err
}

// CacheRoom implements image.Prefetcher: that of the reader below, if it has one.
func (r *patientReader) CacheRoom() int64 {
	if below, ok := r.ReaderAt.(image.Prefetcher); ok {
		return below.CacheRoom()
	}
	return 0
}

// Prefetch implements image.Prefetcher.
func (r *patientReader) Prefetch(ctx context.Context, offset, length int64) error {
	if below, ok := r.ReaderAt.(image.Prefetcher); ok {
		return below.Prefetch(ctx, offset, length)
	}
	return nil
}

// took notes how long a read took.
func (r *patientReader) took(d time.Duration) {
	if d < slowRead {
		if r.score.Load() > 0 {
			r.score.Add(-1)
		}
		return
	}
	if r.score.Add(1) >= waitingScore {
		r.once.Do(r.wait)
	}
}
