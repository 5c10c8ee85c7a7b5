// Package scene holds the figures that the host and the guest of the
// demonstration agree on.
package scene

import "time"

// Paths in the machine.
const (
	OriginDisk = "/dev/ubda"
	COWDisk    = "/dev/ubdb"
	// Slow is the device-mapper device over COWDisk that has a slow piece.
	Slow     = "slow-cow"
	Snapshot = "snap"
	// Origin is the device for writes to the origin.
	Origin = "/dev/mapper/" + Snapshot + "-origin"
)

// Sizes in bytes.
const (
	ChunkBytes  = 4096
	OriginBytes = 16 << 20
	COWBytes    = 16 << 20
)

// The writes: each writes one chunk of the origin. In a COW store with chunks
// of 4 KiB, the first 200 data chunks are the chunks 2 to 201, so the copies of
// the next six go to the slow piece.
const (
	Committed = 200
	Stuck     = 6
	Late      = 94

	SlowChunks = Stuck
)

// Round is one of several crashes with the same disks.
type Round struct {
	Origin int // first chunk of the origin to write
	Store  int // chunk of the COW device for the first copy; [Fresh] in a new store
}

// Fresh is the place of the first copy in a new store, after the header and the
// first area.
const Fresh = 2

// SlowFirst is the chunk of the COW device at which the slow piece begins.
func (r Round) SlowFirst() int { return r.Store + Committed }

// AllocatedSectors returns the figure of the status line when this many
// exceptions of the round have their chunks.
func (r Round) AllocatedSectors(exceptions int) int {
	const perArea = ChunkBytes / 16
	next := r.Store
	for range exceptions {
		if next++; next%(perArea+1) == 1 { // the chunk of an area
			next++
		}
	}
	return next * ChunkBytes / 512
}

// Times.
const (
	// SlowWrite is the time that the slow piece takes for a write. It is longer
	// than the time from the write to the crash, even on a busy host.
	SlowWrite = 10 * time.Minute
	// Patience bounds each wait for something that the kernel does at once.
	Patience = time.Minute
	// Settling is the time for the late copies on a kernel where no write
	// returns before the slow ones, so that nothing shows when the copies are
	// done.
	Settling = time.Second
)

// Step is one line of output; the guest prints "STEP: result".
type Step string

// The steps of the guest, in order. After Flying the host cuts the power.
const (
	Check  Step = "check"
	Create Step = "create"
	Commit Step = "200 writes"
	Flying Step = "100 writes"
)

// Separator separates a step from its result.
const Separator = ": "

// Lines of the guest that are not steps.
const (
	// StatusLine begins the line with `dmsnapctl status --json`.
	StatusLine Step = "status"
	// Filled begins the line with the number of chunks written to the store.
	Filled Step = "filled"
	// Shown begins the line with the SHA-256 of the content of the snapshot.
	Shown Step = "shown"
	// Failed begins the line that says why the guest gives up. The guest may be
	// unable to exit: writes to the slow piece cannot be interrupted.
	Failed Step = "failed"
)
