package mend

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// RestoreOptions says where the chunks come from.
type RestoreOptions struct {
	// Data is the device that the dump was made from; nil if dev is that device
	// and holds the chunks already.
	Data blockdev.Device
}

// Restore plans to write the metadata in a dump to a device, byte for byte as
// it was. The store is marked invalid during the run, so that a partial one is
// never used. If the device is also opt.Data, the error wraps ErrOneDevice.
func Restore(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device, opt RestoreOptions) (*Plan, error) {
	if opt.Data != nil {
		if err := apart(dev, "store", opt.Data, "device with its chunks"); err != nil {
			return nil, err
		}
	}
	p := &Plan{Title: "restore a store's metadata", Resume: "the store is marked invalid", Again: true}
	r, err := newRestorer(ctx, dump, dev, opt)
	if err != nil {
		return nil, err
	}
	p.remade = &remade{r.header.Valid, r.records}
	if opt.Data == nil {
		if err := (holder{dev, r.dump, r.geometry, r.listed}).holdsChunks(ctx); err != nil {
			return nil, err
		}
	}
	present, err := store.Open(dev, dev.Size())
	p.Beyond = opt.Data != nil || err != nil || present.Header().ChunkSectors() != r.dump.ChunkSectors
	invalid := r.header
	invalid.Valid = 0
	p.Stages = append(p.Stages, Stage{
		Say:    "mark the store invalid during the restore",
		Bytes:  cow.HeaderSize,
		device: dev, barrier: true,
		writes: those(write{0, invalid.AppendTo(nil)}),
	})
	if opt.Data != nil {
		p.Stages = append(p.Stages, Stage{
			Say:    fmt.Sprintf("copy the data of %s", count.Of(r.dump.Exceptions, "exception")),
			Bytes:  int64(r.dump.Exceptions) * r.geometry.ChunkBytes(),
			device: dev, barrier: true,
			writes: r.chunks(), places: r.chunkPlaces(),
		})
	}
	p.Stages = append(p.Stages, Stage{
		Say:    fmt.Sprintf("write the records of %s", count.Of(r.dump.Exceptions, "exception")),
		Bytes:  int64(r.dump.Exceptions * cow.ExceptionSize),
		device: dev, barrier: true,
		writes: r.areas(),
	}, Stage{
		Say:    "write the header",
		Bytes:  cow.HeaderSize,
		device: dev, barrier: true,
		writes: those(write{0, r.header.AppendTo(nil)}),
	})
	p.check = func(ctx context.Context) error {
		report, err := verify.Verify(ctx, dev, dev.Size(), verify.Options{})
		if err == nil && (report.Usage == nil || report.Usage.Exceptions != r.dump.Exceptions) {
			err = fmt.Errorf("%w: the store is %s now", verify.ErrDamaged, report.Verdict)
		}
		return err
	}
	return p, nil
}

// restorer is a dump to be written.
type restorer struct {
	ctx      context.Context
	lines    io.ReadSeeker
	dump     DumpHeader
	header   cow.Header
	geometry cow.Geometry
	dev      blockdev.Device
	data     blockdev.Device
}

// newRestorer reads the dump to its end, and checks that the device has room
// for everything it names, and that the data is there.
func newRestorer(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device, opt RestoreOptions) (*restorer, error) {
	r := &restorer{ctx: ctx, lines: dump, dev: dev, data: opt.Data}
	header, records, err := r.read()
	if err != nil {
		return nil, err
	}
	r.dump = header
	if r.header, err = header.header(); err != nil {
		return nil, err
	}
	if r.geometry, err = cow.NewGeometry(header.ChunkSectors); err != nil {
		return nil, err
	}
	before := r.geometry.BoundsOf(header.SizeBytes, 0)
	now := r.geometry.BoundsOf(dev.Size(), 0)
	if area := header.Exceptions / r.geometry.ExceptionsPerArea(); area >= now.Areas() && area < before.Areas() {
		return nil, fmt.Errorf("%w: area %d of the store does not fit on the device", ErrRoom, area)
	}
	for d, err := range records {
		if err != nil {
			return nil, err
		}
		// What was out of place before is restored as it was.
		if before.OnDevice(d.New) && !now.OnDevice(d.New) && !d.Stale {
			return nil, fmt.Errorf("%w: an exception names chunk %d, but the device has %d", ErrRoom, d.New, now.DeviceChunks)
		}
		if err := r.canCopy(d); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return r, nil
}

// canCopy fails if the data of a record is to be copied, and the old store or the
// device does not have its chunk.
func (r *restorer) canCopy(d dumpRecord) error {
	if r.data == nil || d.Stale {
		return nil
	}
	for _, side := range []struct {
		dev  blockdev.Device
		name string
	}{{r.data, "old store"}, {r.dev, "device"}} {
		if b := r.geometry.BoundsOf(side.dev.Size(), 0); !b.OnDevice(d.New) {
			return fmt.Errorf("%w: an exception names chunk %d, but the %s has %d", ErrRoom, d.New, side.name, b.DeviceChunks)
		}
	}
	return nil
}

func (r *restorer) read() (DumpHeader, iter.Seq2[dumpRecord, error], error) {
	if _, err := r.lines.Seek(0, io.SeekStart); err != nil {
		return DumpHeader{}, nil, err
	}
	return readDump(r.lines)
}

// records yields the records in the dump.
func (r *restorer) records() iter.Seq2[dumpRecord, error] {
	return func(yield func(dumpRecord, error) bool) {
		_, records, err := r.read()
		if err != nil {
			yield(dumpRecord{}, err)
			return
		}
		records(yield)
	}
}

// listed yields the exceptions in the dump's list.
func (r *restorer) listed() iter.Seq2[dumpRecord, error] {
	return func(yield func(dumpRecord, error) bool) {
		for d, err := range r.records() {
			if d.Stale && err == nil || !yield(d, err) || err != nil {
				return
			}
		}
	}
}

// chunks yields the writes of the data, each chunk at its place.
func (r *restorer) chunks() iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		for at, err := range r.chunkPlaces() {
			if err != nil {
				yield(write{}, err)
				return
			}
			if !forward(copied(r.data, at.Offset, at.Offset, at.Length), yield) {
				return
			}
		}
	}
}

// chunkPlaces yields where the data goes.
func (r *restorer) chunkPlaces() iter.Seq2[image.Span, error] {
	return func(yield func(image.Span, error) bool) {
		for d, err := range r.listed() {
			if err == nil { // again: the file may have changed
				err = r.canCopy(d)
			}
			at, _ := r.geometry.Offset(d.New) // on the device
			if !yield(image.Span{Offset: int64(at), Length: r.geometry.ChunkBytes()}, err) || err != nil {
				return
			}
		}
	}
}

// areas yields the writes of the records, and of zeroes after them.
func (r *restorer) areas() iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		_, records, err := r.read()
		if err != nil {
			yield(write{}, err)
			return
		}
		a := areaWriter{g: r.geometry, yield: yield}
		for d, err := range records {
			if err != nil {
				yield(write{}, err)
				return
			}
			if !a.put(d) {
				return
			}
		}
		last := r.dump.Exceptions / r.geometry.ExceptionsPerArea()
		if last < r.geometry.BoundsOf(r.dev.Size(), 0).Areas() {
			a.zeroTo(last, r.geometry.ExceptionsPerArea())
		}
		a.flush()
	}
}

// areaWriter joins records into writes of one piece of an area.
type areaWriter struct {
	g          cow.Geometry
	yield      func(write, error) bool
	area, slot uint64 // after the last record put
	buf        []byte
	over       bool
}

func (a *areaWriter) put(d dumpRecord) bool {
	a.zeroTo(d.Area, d.Slot)
	a.add(d.encode())
	return !a.over
}

// zeroTo puts zeroes up to a slot.
func (a *areaWriter) zeroTo(area, slot uint64) {
	if a.area < area && a.slot == a.g.ExceptionsPerArea() {
		a.flush()
		a.area, a.slot = area, 0
	}
	var zero [cow.ExceptionSize]byte
	for a.slot < slot && !a.over {
		a.add(zero[:])
	}
}

func (a *areaWriter) add(record []byte) {
	a.buf = append(a.buf, record...)
	a.slot++
	if len(a.buf) >= transfer.PieceBytes {
		a.flush()
	}
}

func (a *areaWriter) flush() {
	if len(a.buf) == 0 || a.over {
		return
	}
	start := a.slot - uint64(len(a.buf))/cow.ExceptionSize
	a.over = !a.yield(write{int64(a.g.RecordOffset(a.area, start)), a.buf}, nil)
	a.buf = a.buf[:0]
}
