// A single judgement, from the header to the end of the list.

package verify

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

func (o Options) maxFindings() int {
	if o.MaxFindings == 0 {
		return DefaultMaxFindings
	}
	return max(0, o.MaxFindings)
}

func (o Options) memoryBytes() uint64 {
	if o.MemoryBytes <= 0 {
		return DefaultMemoryBytes
	}
	return uint64(o.MemoryBytes)
}

func verifyOnce(ctx context.Context, r io.ReaderAt, size int64, opt Options) (*Report, error) {
	j := &judge{
		opt:    opt,
		found:  findings{counts: map[Code]uint64{}, kept: []Finding{}, most: opt.maxFindings()},
		report: &Report{HeaderOnly: opt.HeaderOnly, Leaks: Leaks{Ranges: []Range{}}},
	}
	s, err := store.Open(r, size)
	var alien *store.FormatError
	switch {
	case errors.As(err, &alien):
		j.report.Verdict, err = j.refuse(r, size, alien)
	case err != nil:
		return nil, err
	default:
		s.OriginBytes = opt.OriginBytes
		err = j.judge(ctx, s)
		j.report.Verdict = verdictOf(&j.found)
	}
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	j.report.Partial = err != nil
	j.report.Counts = j.found.counts
	j.report.Findings = j.found.kept
	j.report.Omitted = j.found.omitted
	return j.report, err
}

// refuse judges what is not a readable store.
func (j *judge) refuse(r io.ReaderAt, size int64, why *store.FormatError) (Verdict, error) {
	if why.Header != nil {
		j.showHeader(*why.Header)
	}
	switch {
	case errors.Is(why, store.ErrFresh):
		return j.refuseFresh(r, size, why)
	case errors.Is(why, store.ErrChunkSize):
		j.noteHeader(BadChunkSize, why.Detail)
		return verdictOf(&j.found), nil
	case errors.Is(why, store.ErrVersion):
		j.noteHeader(UnsupportedVersion, why.Detail)
	default:
		j.noteHeader(BadMagic, why.Detail)
	}
	return Unrecognized, nil
}

// refuseFresh judges a device with the magic number 0. The kernel makes a store
// on it, and so overwrites what else is there. So it is called empty only if it
// has no signature, no data at its start, and no area of a store whose header is
// lost.
func (j *judge) refuseFresh(r io.ReaderAt, size int64, why *store.FormatError) (Verdict, error) {
	carried, err := blockdev.Carried(r, size)
	if err != nil {
		return "", fmt.Errorf("reading the start: %w", err)
	}
	chunk, err := headless(r, size)
	if chunk > 0 {
		signed, err := blockdev.Probe(r, size)
		if err != nil {
			return "", fmt.Errorf("reading the start: %w", err)
		}
		if len(signed) == 0 {
			j.noteHeader(HeaderLost, fmt.Sprintf("the magic number is 0, but there are the areas of a store with chunks of %s, the first at byte %d", count.Of(chunk, "sector"), uint64(chunk)*cow.SectorSize))
			return verdictOf(&j.found), nil
		}
	}
	switch {
	case carried != "":
		j.noteHeader(BadMagic, why.Detail+", and there is "+carried)
		return Unrecognized, nil
	case err != nil:
		return "", err
	}
	return Empty, nil
}

func (j *judge) showHeader(h cow.Header) {
	j.report.Header = &Header{
		Magic:        fmt.Sprintf("%#08x", h.Magic),
		Valid:        h.Valid != 0,
		Version:      h.Version,
		ChunkSectors: h.ChunkSectors(),
	}
}

func (j *judge) noteHeader(c Code, message string) {
	j.found.note(c, 1, func() Finding { return Finding{Message: message} })
}

// judge judges an open store.
func (j *judge) judge(ctx context.Context, s *store.Store) error {
	g := s.Geometry()
	j.showHeader(s.Header())
	j.report.Geometry = &Geometry{
		ChunkBytes:        g.ChunkBytes(),
		ExceptionsPerArea: g.ExceptionsPerArea(),
		DeviceChunks:      s.Bounds().DeviceChunks,
	}
	if s.Header().Valid == 0 {
		j.noteHeader(SnapshotInvalid, "the kernel has invalidated the snapshot: its image is lost, but the exceptions are still here")
	}
	if block := uint64(max(0, j.opt.BlockBytes)); block > 0 && uint64(g.ChunkBytes())%block != 0 {
		j.noteHeader(ChunkSizeMisfit, fmt.Sprintf("the chunk size of %d bytes is not a multiple of the device's logical block size, %d bytes: the kernel refuses the store here, but accepts it on a device with smaller blocks", g.ChunkBytes(), block))
	}
	if j.opt.HeaderOnly {
		return nil
	}
	return j.exceptions(ctx, s)
}

// exceptions takes account of all exceptions, in as many passes as the memory
// limit requires: one, except for huge stores.
func (j *judge) exceptions(ctx context.Context, s *store.Store) error {
	b := s.Bounds()
	a := newAccount(b, &j.found, j.opt.memoryBytes())
	a.bins = newBinner(b, j.opt.Bins)
	end, err := s.Pieces(ctx, 0, j.counted(b.Geometry, Progress{Areas: b.Areas(), Pass: 1}, a.seen.Complete, func(p store.Piece) bool {
		a.take(p)
		return true
	}))
	if err == nil {
		a.finish(end)
	}
	j.report.Usage = a.usage(end.Areas, s.Size())
	if err == nil && uint64(a.nextFreeChunk()) == b.DeviceChunks && a.exceptions > 0 {
		j.noteHeader(StoreFull, "the store is full: there is no room for the next chunk")
	}
	j.report.Order = &Order{Canonical: a.deviation == nil, Descents: a.descents, FirstDeviation: a.deviation}
	if err != nil {
		return err
	}

	leaks := leakFinder{geometry: b.Geometry, bins: a.bins, leaks: Leaks{Ranges: []Range{}}}
	if j.opt.undecided { // show them as allocated; they reveal no crash
		leaks.bins, a.crashes.cuts = nil, nil
	}
	limit := b.Allocated(a.nextFreeChunk())
	a.seen.AbsentCOW(cow.FirstData, limit, leaks.add)
	if !a.seen.Complete() {
		rest := a.seen.Rest(cow.FirstData, limit)
		for pass := 2; rest.Next(); pass++ {
			again := replay{account: a, rest: rest, areas: end.Areas, exceptions: a.exceptions}
			now := Progress{Areas: end.Areas, Pass: pass, More: !rest.Last()}
			if _, err := s.Pieces(ctx, 0, j.counted(b.Geometry, now, nil, again.take)); err != nil {
				return err
			}
			rest.End(leaks.add)
		}
	}
	if j.opt.undecided {
		j.report.Live = &Live{InFlightChunks: leaks.total()}
	} else {
		j.report.Leaks = leaks.report(&j.found)
	}
	if j.opt.Bins > 0 {
		j.report.Bins = a.bins.finish(limit, end.Areas)
		if !j.opt.undecided {
			j.report.LargestLeaks = leaks.largest.kept
		}
	}
	j.report.Forensics = a.crashes.forensics(b.Geometry, &j.found, a.deviation != nil, j.report.Leaks.Chunks)
	return nil
}

// counted wraps take and reports progress. complete, if not nil, reports
// whether this is the last pass as far as is known.
func (j *judge) counted(g cow.Geometry, now Progress, complete func() bool, take func(store.Piece) bool) func(store.Piece) bool {
	if j.opt.Progress == nil {
		return take
	}
	now.ChunkBytes = g.ChunkBytes()
	return func(p store.Piece) bool {
		if p.Slot == 0 {
			now.Area, now.More = p.Area, now.More || complete != nil && !complete()
			j.opt.Progress(now)
		}
		return take(p)
	}
}

// judge is one run of Verify.
type judge struct {
	opt    Options
	found  findings
	report *Report
}
