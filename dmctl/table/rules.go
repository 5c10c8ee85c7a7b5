package table

// Rules for targets' arguments beyond their syntax: those of the constructors
// in drivers/md that do not need to look at a device. They apply to tables to
// be loaded. A table that the kernel prints may break them: a snapshot that
// waits to take over another one's exceptions has chunk size 0.

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Places of words on a line.
const (
	wordStart        = 1
	wordLength       = 2
	wordFlakeyDown   = 7
	wordFlakeyFirst  = 9 // feature
	wordDustBlock    = 6
	wordSnapCOW      = 5
	wordSnapStore    = 6
	wordSnapChunk    = 7
	wordSnapFeatures = 8
)

// check applies the rules for the line's target.
func (t Target) check() *SyntaxError {
	switch s := t.Spec.(type) {
	case Striped:
		return s.check(t.Length)
	case Flakey:
		return s.check()
	case Dust:
		return s.check(t.Length)
	case Snapshot:
		return SnapshotArgs(s).check()
	case SnapshotMerge:
		if s.Store == Transient {
			return &SyntaxError{Word: wordSnapStore, Text: string(s.Store), Rule: "a transient store cannot be merged"}
		}
		return SnapshotArgs(s).check()
	}
	return nil
}

// check requires that each stripe has the same whole number of chunks
// (dm-stripe.c: stripe_ctr).
func (s Striped) check(length cow.Sectors) *SyntaxError {
	stripes := cow.Sectors(len(s.Stripes))
	rule := ""
	switch {
	case stripes == 0 || s.ChunkSize == 0:
	case length%stripes != 0:
		rule = fmt.Sprintf("the length is not a multiple of the number of stripes, %d", stripes)
	case length/stripes%s.ChunkSize != 0:
		rule = fmt.Sprintf("a stripe of %s is not a multiple of the chunk size, %s", count.Of(length/stripes, "sector"), count.Of(s.ChunkSize, "sector"))
	}
	if rule == "" {
		return nil
	}
	return &SyntaxError{Word: wordLength, Text: fmt.Sprint(length), Rule: rule}
}

// check checks the cycle, which the kernel counts in 32 bits of seconds, and
// features that contradict each other (dm-flakey.c: flakey_ctr,
// parse_features). Other features are left to the kernel: newer kernels have
// more.
func (f Flakey) check() *SyntaxError {
	fail := func(rule string) *SyntaxError {
		return &SyntaxError{Word: wordFlakeyDown, Text: fmt.Sprint(f.Down), Rule: rule}
	}
	switch {
	case f.Up == 0 && f.Down == 0:
		return fail("the up and down intervals are both 0")
	case f.Up > math.MaxUint32-min(f.Down, math.MaxUint32):
		return fail(fmt.Sprintf("the up and down intervals together exceed %d seconds", uint32(math.MaxUint32)))
	}
	first := ""
	for i, feature := range f.Features {
		word := strings.ToLower(feature)
		if word != "drop_writes" && word != "error_writes" {
			continue
		}
		if first != "" {
			return &SyntaxError{Word: wordFlakeyFirst + i, Text: feature, Rule: "only one of drop_writes and error_writes is allowed, once"}
		}
		first = word
	}
	return nil
}

// The limits of dust's block size in bytes (dm-dust.c: dust_ctr).
const (
	minDustBlock = cow.SectorSize
	maxDustBlock = 1 << 30
)

func (d Dust) check(length cow.Sectors) *SyntaxError {
	rule := ""
	switch {
	case d.BlockBytes < minDustBlock || d.BlockBytes > maxDustBlock || d.BlockBytes&(d.BlockBytes-1) != 0:
		rule = fmt.Sprintf("the block size in bytes is not a power of two between %d and %d", minDustBlock, maxDustBlock)
	case d.BlockBytes/cow.SectorSize > uint64(length):
		rule = fmt.Sprintf("the block is larger than the %s of the line", count.Of(length, "sector"))
	}
	if rule == "" {
		return nil
	}
	return &SyntaxError{Word: wordDustBlock, Text: fmt.Sprint(d.BlockBytes), Rule: rule}
}

// check compares names; the kernel compares devices (dm-snap.c: snapshot_ctr).
// Two names may still be one device.
func (a SnapshotArgs) check() *SyntaxError {
	switch {
	case a.Origin == a.COW:
		return &SyntaxError{Word: wordSnapCOW, Text: a.COW, Rule: "the COW device is the origin"}
	case a.Store == Transient && a.ChunkSize == 0:
		return &SyntaxError{Word: wordSnapChunk, Text: "0", Rule: "the chunk size of a transient store cannot be 0: there is no header to take it from"}
	}
	return nil
}
