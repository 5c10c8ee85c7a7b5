// Options of the explorer.

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// Defaults of Options.
const (
	DefaultReorder    = 256
	DefaultExhaustive = 4096
)

// Options says what to explore, and how far.
type Options struct {
	// Origin and COW are the regions of the logged device: one origin and
	// the stores of its snapshots.
	Origin Region
	COW    []Region
	// Base is the device before the first entry of the log, BaseSize bytes
	// of it; nil, and all behind its end, is zeros.
	Base     io.ReaderAt
	BaseSize uint64
	// FromMark is the text of the mark at which the origin was frozen. Where
	// it is empty, that is when the first chunk was copied.
	FromMark string
	// Expect is the kernel's kind: that of the model which goes on before a
	// second crash. Of a leaky one, exceptions out of the order of allocation
	// are no violation; its leaks are failures all the same. Empty is Fixed.
	Expect allocator.Kernel
	// Reorder is the most random states of an epoch too large to be
	// exhausted: 0 for DefaultReorder, less for none.
	Reorder int
	// Exhaustive is the most states of an epoch that is exhausted; 0 for
	// DefaultExhaustive.
	Exhaustive int
	// Crashes is 1 or 2: whether to crash again after the first crash.
	Crashes int
	// Seed of the random states.
	Seed uint64
	// ReadOnlySnapshot says that nobody wrote to the snapshots: each copy is
	// then held against the frozen origin, without exception.
	// SnapshotWritten says that somebody did: what the origin was not
	// overwritten with is then taken for such a write. With neither, the log
	// tells which it is, store by store.
	ReadOnlySnapshot, SnapshotWritten bool
	// OriginUnwritten says that nobody wrote to the origin, so that a log
	// without such writes is no doubt.
	OriginUnwritten bool
	// Upper is the log of a device on top of the stack, nil for none: what it
	// flushed before a mark that both logs have must be there in all states
	// behind the mark. UpperView is where it lies.
	Upper     *logwrites.Log
	UpperView View
	// Visit, where it is not nil, is called for every state.
	Visit func(Judged)
	// Show, where it is not nil, is called for each image of View that no state
	// before showed in the epoch. It may hold the exploration up.
	Show func(*Shown)
	View View
	// Progress, where it is not nil, is called after each epoch, and now and
	// then within it.
	Progress func(entry, entries int, states uint64)

	// Jobs is how many states are judged at once; 0 for as many as there are
	// processors. It is 1 with Visit or Show.
	Jobs int
	// Shard is the part of the epochs to explore.
	Shard Shard

	cells int          // see keepCells
	mark  int          // index of FromMark's entry, -1 where there is none
	stop  func() error // why to stop, nil while there is no reason; may be nil
}

// interrupted is why the exploration is to stop, nil where it is not.
func (o *Options) interrupted() error {
	if o.stop == nil {
		return nil
	}
	return o.stop()
}

// prepare checks the options, and fills in what they leave out.
func (o *Options) prepare(ctx context.Context, l *logwrites.Log) error {
	if o.Expect == "" {
		o.Expect = allocator.Fixed
	}
	o.mark, o.stop = -1, ctx.Err
	if o.FromMark != "" {
		i, ok := l.FindMark(o.FromMark)
		if !ok {
			return fmt.Errorf("the log has no mark %q; its marks are: %s", o.FromMark, marksOf(l))
		}
		o.mark = i
	}
	return o.check(l.SectorSize)
}

// jobs is how many workers there are.
func (o *Options) jobs() int {
	switch {
	case o.Visit != nil || o.Show != nil:
		return 1
	case o.Jobs > 0:
		return min(o.Jobs, maxJobs)
	default:
		return min(runtime.GOMAXPROCS(0), maxJobs)
	}
}

// maxJobs bounds the workers, of which each has a ground of its own.
const maxJobs = 256

// keepCells is how many blocks a ground may look at before those of past epochs
// are forgotten.
func (o *Options) keepCells() int {
	if o.cells == 0 {
		return 1 << 16
	}
	return max(0, o.cells)
}

// ErrOverlap is wrapped by the error about regions that overlap.
var ErrOverlap = errors.New("the regions overlap")

func (o *Options) check(blockBytes uint64) error {
	if len(o.COW) > maxStores {
		return fmt.Errorf("%d COW stores are more than %d", len(o.COW), maxStores)
	}
	if len(o.COW) == 0 || o.Origin.Len == 0 {
		return errors.New("an origin and at least one COW store are needed")
	}
	all := append([]Region{o.Origin}, o.COW...)
	for i, a := range all {
		for _, b := range all[:i] {
			if a.overlaps(b) {
				return fmt.Errorf("%v and %v: %w", b.inBlocks(blockBytes), a.inBlocks(blockBytes), ErrOverlap)
			}
		}
	}
	return nil
}

func (o *Options) reorder() int {
	if o.Reorder == 0 {
		return DefaultReorder
	}
	return max(0, o.Reorder)
}

func (o *Options) exhaustive() int {
	if o.Exhaustive == 0 {
		return DefaultExhaustive
	}
	return o.Exhaustive
}

// Judged is a state and what was found of its first store.
type Judged struct {
	// State names the state; it may be called during the visit only.
	State            func() State
	Valid            bool // there is a snapshot, and the kernel has not given it up
	Corrupt          bool
	LeakedChunks     uint64
	StaleRecords     uint64
	BrokenChunks     int  // origin chunks of which the image shows something else
	Lost             bool // something that the layer above flushed
	AllocatedSectors cow.Sectors
}

func marksOf(l *logwrites.Log) string {
	var marks []string
	for _, text := range l.Marks() {
		marks = append(marks, fmt.Sprintf("%q", text))
	}
	return strings.Join(marks, ", ")
}
