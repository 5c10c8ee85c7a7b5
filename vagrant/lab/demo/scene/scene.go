// Package scene holds the figures of the demonstration that its host and its
// guest agree on.
package scene

import "time"

// Places in the machine.
const (
	OriginDisk = "/dev/ubda"
	COWDisk    = "/dev/ubdb"
	// Slow is the device-mapper device over COWDisk with a slow piece in it.
	Slow     = "slow-cow"
	Snapshot = "snap"
	// Origin is the device to write to the origin through.
	Origin = "/dev/mapper/" + Snapshot + "-origin"
)

// Sizes in bytes.
const (
	ChunkBytes  = 4096
	OriginBytes = 16 << 20
	COWBytes    = 16 << 20
)

// The writes, one chunk of the origin each. Of a COW store with chunks of 4 KiB
// the first 200 data chunks are the chunks 2 to 201, so that the copies of the
// next six go to the slow piece.
const (
	Committed = 200
	Stuck     = 6
	Late      = 94

	SlowChunks = Stuck
)

// Round is one crash of several, of the same disks.
type Round struct {
	Origin int // first chunk that is written to the origin
	Store  int // chunk of the COW device that the first copy goes to; [Fresh] in a fresh store
}

// Fresh is where the first copy of a fresh store goes: behind its header and its
// first area.
const Fresh = 2

// SlowFirst is the chunk of the COW device at which the slow piece begins.
func (r Round) SlowFirst() int { return r.Store + Committed }

// AllocatedSectors is what the status line says when so many of the round's
// exceptions have got their chunks.
func (r Round) AllocatedSectors(exceptions int) int {
	const perArea = ChunkBytes / 16
	next := r.Store
	for range exceptions {
		if next++; next%(perArea+1) == 1 { // the place of an area
			next++
		}
	}
	return next * ChunkBytes / 512
}

// Times.
const (
	// SlowWrite is how long the slow piece takes for a write: longer than
	// from the write to the crash, however busy the host is.
	SlowWrite = 10 * time.Minute
	// Patience bounds each wait for what the kernel does at once.
	Patience = time.Minute
	// Settling is how long the late copies get on a kernel whose writes do
	// not return before the slow ones, so that nothing tells of the copies.
	Settling = time.Second
)

// Step is one line of the story; the guest prints "STEP: what came of it".
type Step string

// The guest's steps in their order. After Flying the host pulls the plug.
const (
	Check  Step = "check"
	Create Step = "create"
	Commit Step = "200 writes"
	Flying Step = "100 writes"
)

// Separator stands between a step and what came of it.
const Separator = ": "

// Lines of the guest that are no steps of the story.
const (
	// StatusLine begins the line with `dmsnapctl status --json`.
	StatusLine Step = "status"
	// Filled begins the line with the number of chunks that went into the store.
	Filled Step = "filled"
	// Shown begins the line with the SHA-256 of what the snapshot shows.
	Shown Step = "shown"
	// Failed begins the line that says why the guest gives up. It may be
	// unable to exit: writes to the slow piece cannot be interrupted.
	Failed Step = "failed"
)
