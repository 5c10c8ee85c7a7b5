// Verify: from a device to a report.

package verify

import (
	"context"
	"fmt"
	"io"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Schema names the JSON form of a Report.
const Schema = "dmsnapctl.verify/1"

// Defaults of Options.
const (
	DefaultMaxFindings = 100
	DefaultMemory      = 34 << 20
)

// Options says how to judge. Its zero value judges all that can be judged
// without the origin.
type Options struct {
	// Path is what the report calls the store.
	Path string
	// OriginBytes is the origin's size, 0 where it is unknown.
	OriginBytes uint64
	// MaxFindings bounds the findings that are written out: 0 for
	// DefaultMaxFindings, less for none. All are counted.
	MaxFindings int
	// HeaderOnly looks no further than the header.
	HeaderOnly bool
	// Bins asks for what pictures show: bins, this number at most, and the
	// largest leaks.
	Bins int
	// Memory bounds the bitmaps in bytes, 0 for DefaultMemory. A store that
	// needs more is read several times.
	Memory uint64
	// Progress, where it is not nil, is called at each area. It must not
	// take long.
	Progress func(Progress)
	// Waiting, where it is not nil, is called once, by any goroutine, when
	// reads turn out to wait for the device rather than to copy memory. A
	// program can then give Go's scheduler more processors, of which each
	// read that is under way blocks one; a store in the page cache is judged
	// faster without them.
	Waiting func()
	// Status is the status line of the snapshot that has the store active,
	// nil where none has. The store must then be one that is read past the
	// page cache: the kernel writes below it.
	Status func(context.Context) (string, error)
}

// Progress is how far the judge has come.
type Progress struct {
	Area       uint64 // that is being judged
	Areas      uint64 // that the device holds: the list ends with the last, or before; from pass 2 on that the list has
	ChunkBytes uint64 // of an area
	Pass       int    // over the areas, from 1
	More       bool   // a further pass is needed, as far as is known
}

func (o Options) maxFindings() int {
	if o.MaxFindings == 0 {
		return DefaultMaxFindings
	}
	return max(0, o.MaxFindings)
}

func (o Options) memory() uint64 {
	if o.Memory == 0 {
		return DefaultMemory
	}
	return o.Memory
}

// Verify judges the store of size bytes. What is wrong with the store is in
// the report, I/O errors in its areas included. An error means that there is
// no report, because not even the header could be read; or, where it is the
// context's, that the report is partial.
func Verify(ctx context.Context, store io.ReaderAt, size uint64, opt Options) (*Report, error) {
	if opt.Status != nil {
		return verifyLive(ctx, store, size, opt)
	}
	return verifyOnce(ctx, store, size, opt)
}

func verifyOnce(ctx context.Context, store io.ReaderAt, size uint64, opt Options) (*Report, error) {
	j := &judge{
		store:  store,
		size:   size,
		opt:    opt,
		found:  findings{counts: map[Code]uint64{}, kept: []Finding{}, most: opt.maxFindings()},
		report: &Report{Schema: Schema, Path: opt.Path, HeaderOnly: opt.HeaderOnly, Leaks: Leaks{Ranges: []Range{}}},
	}
	verdict, err := j.judge(ctx)
	if err != nil && ctx.Err() == nil {
		return nil, err
	}
	j.report.Verdict = verdict
	j.report.Partial = err != nil
	j.report.Counts = j.found.counts
	j.report.Findings = j.found.kept
	j.report.Omitted = j.found.omitted
	return j.report, err
}

// judge is one run of Verify.
type judge struct {
	store  io.ReaderAt
	size   uint64
	opt    Options
	found  findings
	report *Report
}

// judge follows the order of judgement: magic, version, chunk size, validity,
// then the exceptions.
func (j *judge) judge(ctx context.Context) (Verdict, error) {
	header, err := j.header()
	if err != nil {
		return "", err
	}
	switch {
	case header == nil:
		return Unrecognized, nil
	case header.Magic == 0:
		return Empty, nil
	case header.Magic != cow.Magic:
		j.noteHeader(BadMagic, "the magic number is %#08x, that of a COW store %#08x", header.Magic, cow.Magic)
		return Unrecognized, nil
	case header.Version != cow.Version:
		j.noteHeader(UnsupportedVersion, "the format's version is %d, the one known here and to the kernel %d", header.Version, cow.Version)
		return Unrecognized, nil
	}
	geometry, err := cow.NewGeometry(header.ChunkSectors())
	if err != nil {
		j.noteHeader(BadChunkSize, "the header has %v", err)
		return verdictOf(&j.found), nil
	}
	bounds := j.bounds(geometry)
	if header.Valid == 0 {
		j.noteHeader(SnapshotInvalid, "the kernel has invalidated the snapshot: its image is lost, though the exceptions still stand here")
	}
	if !j.opt.HeaderOnly {
		err = j.exceptions(ctx, bounds)
	}
	return verdictOf(&j.found), err
}

// header reads the header, nil where the store is too short for one.
func (j *judge) header() (*cow.Header, error) {
	if j.size < cow.HeaderSize {
		j.noteHeader(BadMagic, "too short for the header of a COW store: %d of %d bytes", j.size, cow.HeaderSize)
		return nil, nil
	}
	var buf [cow.HeaderSize]byte
	if err := readFull(j.store, buf[:], 0); err != nil {
		return nil, fmt.Errorf("reading the header: %w", err)
	}
	h, err := cow.DecodeHeader(buf[:])
	if err != nil {
		return nil, err
	}
	j.report.Header = &Header{
		Magic:        fmt.Sprintf("%#08x", h.Magic),
		Valid:        h.Valid != 0,
		Version:      h.Version,
		ChunkSectors: h.ChunkSectors(),
	}
	return &h, nil
}

func (j *judge) noteHeader(c Code, format string, args ...any) {
	j.found.note(c, 1, func() Finding { return Finding{Message: fmt.Sprintf(format, args...)} })
}

// bounds fills the report's geometry on the way.
func (j *judge) bounds(g cow.Geometry) Bounds {
	b := Bounds{Geometry: g, DeviceChunks: g.ChunksIn(j.size), OriginChunks: g.ChunksCovering(j.opt.OriginBytes)}
	j.report.Geometry = &Geometry{
		ChunkBytes:        g.ChunkBytes(),
		ExceptionsPerArea: g.ExceptionsPerArea(),
		DeviceChunks:      b.DeviceChunks,
	}
	return b
}

// exceptions takes account of all of them, in as many passes as the bound on
// memory asks for: one, for all but giants.
func (j *judge) exceptions(ctx context.Context, b Bounds) error {
	reader := newAreaReader(j.store, b, j.opt.Waiting)
	a := newAccount(b, &j.found, j.opt.memory())
	a.bins = newBinner(b, j.opt.Bins)
	err := reader.each(ctx, j.counted(a, Progress{Areas: reader.areas, Pass: 1}, a.take))
	if err == nil {
		a.finish(reader.areas)
	}
	j.report.Usage = j.usage(a)
	j.report.Order = &Order{Canonical: a.deviation == nil, Descents: a.descents, FirstDeviation: a.deviation}
	if err != nil {
		return err
	}

	leaks := leakFinder{geometry: b.Geometry, bins: a.bins, runs: runFinder{geometry: b.Geometry}, leaks: Leaks{Ranges: []Range{}}}
	limit := b.leakLimit(a.nextFreeChunk())
	a.seen.cow.absent(2, limit, leaks.add)
	for pass := 2; !a.seen.complete(); pass++ {
		a.seen = a.seen.again()
		again := replay{account: a, exceptions: a.exceptions}
		if err := reader.each(ctx, j.counted(a, Progress{Areas: a.areas, Pass: pass}, again.take)); err != nil {
			return err
		}
		a.seen.cow.absent(2, limit, leaks.add)
	}
	j.report.Leaks = leaks.report(&j.found)
	if j.opt.Bins > 0 {
		leaks.runs.settle()
		j.report.Bins = a.bins.finish(limit, a.areas)
		j.report.LeakRuns, j.report.LargestLeaks = leaks.runs.count, leaks.runs.largest
	}
	j.report.Forensics = a.forensics(j.report.Leaks.Chunks)
	return nil
}

// areasOn is the number of areas that the device holds whole.
func areasOn(b Bounds) uint64 {
	if b.DeviceChunks < 2 {
		return 0
	}
	return b.Geometry.AreaOf(cow.Chunk(b.DeviceChunks-1)) + 1
}

func (j *judge) usage(a *account) *Usage {
	next := a.nextFreeChunk()
	chunk := a.Geometry.ChunkSectors()
	return &Usage{
		Exceptions:       a.exceptions,
		Areas:            a.areas,
		NextFreeChunk:    next,
		AllocatedSectors: cow.Sectors(next) * chunk,
		MetadataSectors:  cow.Sectors(a.areas+1) * chunk,
		TotalSectors:     cow.Sectors(j.size / cow.SectorSize),
	}
}

// counted wraps take with the report of progress.
func (j *judge) counted(a *account, now Progress, take func(piece) bool) func(piece) bool {
	if j.opt.Progress == nil {
		return take
	}
	now.ChunkBytes = a.Geometry.ChunkBytes()
	return func(p piece) bool {
		if p.slot == 0 {
			now.Area, now.More = p.area, !a.seen.complete()
			j.opt.Progress(now)
		}
		return take(p)
	}
}
