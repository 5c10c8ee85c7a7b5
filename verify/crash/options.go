// Options of the explorer.

package crash

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

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
	// Origin and COW are regions of the logged device: one origin and the
	// stores of its snapshots.
	Origin Region
	COW    []Region
	// Grown says that COW devices were smaller at first. A store that names
	// chunks its device did not have yet is corrupt.
	Grown []Growth
	// Base is the device before the first entry of the log, of BaseSize bytes.
	// If it is nil, and after its end, the device is zeros.
	Base     io.ReaderAt
	BaseSize int64
	// FromMark is the text of the mark at which the origin was frozen. If it is
	// empty, the origin was frozen when the first chunk was copied.
	FromMark string
	// Expect is the kernel's kind, and the kind of the model that runs until a
	// second crash. On a leaky kernel, exceptions out of the order of
	// allocation are not violations; its leaks are still failures. Empty means
	// Fixed.
	Expect allocator.Kernel
	// Reorder is the most random states of an epoch that is too large to
	// exhaust; 0 means DefaultReorder, a negative number none.
	Reorder int
	// Exhaustive is the most states of an epoch to exhaust; 0 means
	// DefaultExhaustive.
	Exhaustive int
	// Crashes is 1, or 2 to crash again after the first crash.
	Crashes int
	// Seed is the seed of the random states.
	Seed uint64
	// ReadOnlySnapshot says that nobody wrote to the snapshots: each copy must
	// equal the frozen origin. SnapshotWritten says that somebody did: contents
	// that the origin's writes do not explain are then accepted as such writes.
	// If both are false, the log decides for each store.
	ReadOnlySnapshot, SnapshotWritten bool
	// DiscardsPassedDown says that the snapshot has the feature
	// discard_passdown_origin: its discards reach the origin without a copy, and
	// read as zeros in both. Other snapshots of that origin then show zeros they
	// should not, so there can be only one store.
	DiscardsPassedDown bool
	// OriginUnwritten says that nobody wrote to the origin, so that a log
	// without such writes raises no doubt.
	OriginUnwritten bool
	// Upper is the log of a device on top of the stack, or nil. What it flushed
	// before a mark that is in both logs must be in all states after the mark.
	// UpperView says where that device is.
	Upper     *logwrites.Log
	UpperView View
	// Visit, if not nil, is called for every state.
	Visit func(Judged)
	// Show, if not nil, is called for each image of View that no earlier state
	// of the epoch showed. It may block.
	Show func(*Shown)
	View View
	// Progress, if not nil, is called after each epoch, and now and then within
	// one.
	Progress func(entry, entries int, states uint64)

	// Jobs is how many states are judged at once; 0 means one per processor. It
	// is 1 with Visit or Show.
	Jobs int
	// Shard is the part of the epochs to explore.
	Shard Shard

	grown map[cow.Sectors][]size // by the start of a store's region

	cells int          // see keepCells
	mark  int          // index of FromMark's entry, -1 if there is none
	stop  func() error // returns why to stop, or nil; may be nil
}

// interrupted returns why to stop the exploration, or nil.
func (o *Options) interrupted() error {
	if o.stop == nil {
		return nil
	}
	return o.stop()
}

// prepare checks the options and sets defaults.
func (o *Options) prepare(ctx context.Context, l *logwrites.Log) error {
	if o.Expect == "" {
		o.Expect = allocator.Fixed
	}
	o.mark, o.stop = -1, ctx.Err
	if o.FromMark != "" {
		var err error
		if o.mark, err = findMark(l, o.FromMark); err != nil {
			return err
		}
	}
	if err := o.findGrowth(l); err != nil {
		return err
	}
	return o.check(l.SectorSize)
}

// jobs is the number of workers.
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

// maxJobs bounds the workers, because each has its own ground.
const maxJobs = 256

// keepCells is how many blocks a ground may track before it forgets those of
// past epochs.
func (o *Options) keepCells() int {
	if o.cells == 0 {
		return 1 << 16
	}
	return max(0, o.cells)
}

// ErrOverlap is wrapped by the error for regions that overlap.
var ErrOverlap = errors.New("the regions overlap")

func (o *Options) check(blockBytes uint64) error {
	if len(o.COW) > maxStores {
		return fmt.Errorf("%d COW stores: at most %d are supported", len(o.COW), maxStores)
	}
	if len(o.COW) == 0 || o.Origin.Len == 0 {
		return errors.New("an origin and at least one COW store are needed")
	}
	if o.DiscardsPassedDown && len(o.COW) > 1 {
		return errors.New("discards that one snapshot passes down to the origin damage its other snapshots: explore one store")
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

// Judged is a state and the findings on its first store.
type Judged struct {
	// State returns the state. It may be called only during the visit.
	State            func() State
	Valid            bool // there is a snapshot that is not invalidated
	Corrupt          bool
	LeakedChunks     uint64
	StaleRecords     uint64
	BrokenChunks     int  // origin chunks that the image shows wrongly
	Lost             bool // data that the layer above flushed is lost
	AllocatedSectors cow.Sectors
}
