// The second scene: nothing is slow on purpose.

package scene

import "time"

// The streams: each writes its part of the origin from start to end, in large
// writes that bypass the page cache.
const (
	Streams     = 4
	StreamWrite = 1 << 20 // bytes
	// StreamsOriginBytes is more than a machine writes before its crash, so that
	// copies are in flight then. Disks are sparse files.
	StreamsOriginBytes = 1 << 30
	StreamsCOWBytes    = StreamsOriginBytes + StreamsOriginBytes/64
	// StreamsChunks is the number of exceptions if all writes ended.
	StreamsChunks = StreamsOriginBytes / ChunkBytes
)

// The machine is crashed at a random time after the streams began, between
// these.
const (
	CrashAfter  = 800 * time.Millisecond
	CrashBefore = 2300 * time.Millisecond
)

// Streaming is the step of the guest with which the streams begin.
const Streaming Step = "4 streams"
