// Waiting: telling reads that wait for a device from those that copy memory.

package verify

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// slowRead is longer than a read from memory takes and shorter than one
	// from a disk.
	slowRead = 30 * time.Microsecond
	// waitingScore is how many jobs more must be slow than quick: a busy
	// machine interrupts quick ones, too.
	waitingScore = 8
)

// MakeProcessors gives Go's scheduler a processor for each read that can be
// under way: it takes its time to notice that one waits. It is what a program
// that does little else sets Options.Waiting to.
func MakeProcessors() { runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), Depth+2)) }

// waiting watches how long reads take.
type waiting struct {
	tell  func() // nil where nobody wants to know
	once  sync.Once
	score atomic.Int32
}

// took notes a job of so many reads.
func (w *waiting) took(d time.Duration, reads uint64) {
	if w.tell == nil {
		return
	}
	if d < time.Duration(reads)*slowRead {
		if w.score.Load() > 0 {
			w.score.Add(-1)
		}
		return
	}
	if w.score.Add(1) >= waitingScore {
		w.once.Do(w.tell)
	}
}
