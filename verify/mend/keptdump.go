package mend

import (
	"context"
	"fmt"
	"io"
	"iter"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// CheckDump fails with ErrOtherUndo unless an existing dump undoes the plan on
// this store, perhaps together with what an interrupted run of it has done. Then
// it must not be written again. Each record of the store must be the dump's or
// what such a run makes of it: cleared after the list, moved to a chunk with the
// same bytes, corrected, or the plan's own. If there is no plan, p is nil.
func CheckDump(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device, p *Plan) error {
	k := keptDump{dev: dev}
	if p != nil {
		if p.Beyond {
			if _, err := k.read(dump); err != nil {
				return fmt.Errorf("%w: %w", ErrOtherUndo, err)
			}
			return fmt.Errorf("%w: it is a dump, and the change overwrites more than records", ErrOtherUndo)
		}
		k.canonical, k.remade = p.canonical, p.remade
	}
	return k.check(ctx, dump)
}

// CheckDumpOfApply is CheckDump for the dump of an Apply that may have been
// interrupted while it emptied the store.
func CheckDumpOfApply(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device) error {
	k := keptDump{dev: dev, emptied: true}
	return k.check(ctx, dump)
}

// remade is the list and the header that a plan writes in place of a store's own.
type remade struct {
	valid   uint32
	records func() iter.Seq2[dumpRecord, error]
}

// keptDump is a dump that may be that of an interrupted run.
type keptDump struct {
	dev       blockdev.Device
	emptied   bool // an Apply may have cleared the records at the start
	canonical bool // a Repair may have corrected damaged chunk numbers
	remade    *remade

	header    DumpHeader
	geometry  cow.Geometry
	now       recordReader
	plan      *recordIter
	corrected map[cow.Chunk]int // chunk numbers that are right if others name them too
}

func (k *keptDump) check(ctx context.Context, dump io.ReadSeeker) error {
	records, err := k.read(dump)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOtherUndo, err)
	}
	if err := k.sameStore(); err != nil {
		return err
	}
	k.now = recordReader{dev: k.dev, g: k.geometry}
	k.corrected = map[cow.Chunk]int{}
	if k.remade != nil {
		k.plan = newRecordIter(k.remade.records())
		defer k.plan.stop()
	}
	area, slot := uint64(0), uint64(0) // of the next record
	for d, err := range records {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if err := k.none(d.Area, slotsFrom(area, slot, d), d.Slot); err != nil {
			return err
		}
		if err := k.record(d); err != nil {
			return err
		}
		if area, slot = d.Area, d.Slot+1; slot == k.geometry.ExceptionsPerArea() {
			area, slot = area+1, 0
		}
	}
	if area < k.geometry.BoundsOf(k.dev.Size(), 0).Areas() {
		if err := k.none(area, slot, k.geometry.ExceptionsPerArea()); err != nil {
			return err
		}
	}
	return k.namedTwice(ctx, dump)
}

// slotsFrom is the first slot after the previous record in the area of d.
func slotsFrom(area, slot uint64, d dumpRecord) uint64 {
	if area == d.Area {
		return slot
	}
	return 0
}

func (k *keptDump) read(dump io.ReadSeeker) (records iter.Seq2[dumpRecord, error], err error) {
	if _, err := dump.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if k.header, records, err = readDump(dump); err != nil {
		return nil, err
	}
	k.geometry, err = cow.NewGeometry(k.header.ChunkSectors)
	return records, err
}

// sameStore compares what the headers say, and the sizes.
func (k *keptDump) sameStore() error {
	st, err := store.Open(k.dev, k.dev.Size())
	if err != nil { // no dump can be made of it
		return fmt.Errorf("%w: it is a dump, and the store is none now: %w", ErrOtherUndo, err)
	}
	now, was := st.Header(), k.header
	_, grows := k.dev.(Grower)
	switch {
	case now.ChunkSectors() != was.ChunkSectors:
		return fmt.Errorf("%w: it has chunks of %s, the store of %d", ErrOtherUndo, count.Of(was.ChunkSectors, "sector"), now.ChunkSectors())
	case k.dev.Size() != was.SizeBytes && !(grows && k.dev.Size() > was.SizeBytes):
		return fmt.Errorf("%w: it is of a store of %d bytes, and this one has %d", ErrOtherUndo, was.SizeBytes, k.dev.Size())
	case now.Valid == was.Valid:
	case k.remade != nil && (now.Valid == 0 || now.Valid == k.remade.valid):
	default:
		return fmt.Errorf("%w: it has %d in place of %d in the header for a valid store", ErrOtherUndo, was.Valid, now.Valid)
	}
	return nil
}

// none fails if there is a record in slots of an area where the dump has none.
func (k *keptDump) none(area, slot, end uint64) error {
	for ; slot < end; slot++ {
		if err := k.record(dumpRecord{Area: area, Slot: slot}); err != nil {
			return err
		}
	}
	return nil
}

// record fails unless the store has the record, or what a run makes of it.
func (k *keptDump) record(d dumpRecord) error {
	now, err := k.now.at(d.Area, d.Slot)
	if err != nil {
		return err
	}
	was := cow.Exception{Old: d.Old, New: d.New}
	zero := cow.Exception{}
	if now == was || now == zero && (d.Stale || k.cleared(d)) {
		return nil
	}
	if k.plan != nil {
		if after, err := k.plan.at(d.Area, d.Slot); err != nil || now == after {
			return err
		}
	}
	if now.Old == was.Old && now != zero && was != zero && !d.Stale {
		if same, err := k.moved(d, now.New); err != nil || same {
			return err
		}
	}
	return fmt.Errorf("%w: record %d of area %d differs", ErrOtherUndo, d.Slot, d.Area)
}

// cleared reports whether an Apply clears the record.
func (k *keptDump) cleared(d dumpRecord) bool {
	areaEnd, _ := k.geometry.Offset(k.geometry.AreaChunk(0) + 1)
	return k.emptied && k.geometry.RecordOffset(d.Area, d.Slot) < max(areaEnd, blockdev.BlankHead)
}

// moved reports whether a run can have given the record this chunk number: both
// chunks hold the same, or the old number was damaged.
func (k *keptDump) moved(d dumpRecord, now cow.Chunk) (bool, error) {
	bounds := k.geometry.BoundsOf(k.dev.Size(), 0)
	if bounds.OnDevice(d.New) && bounds.OnDevice(now) {
		one, _ := k.geometry.Offset(d.New)
		other, _ := k.geometry.Offset(now)
		same, err := sameBytes(k.dev, int64(one), int64(other), k.geometry.ChunkBytes())
		if err != nil || same {
			return same, err
		}
	}
	if !k.canonical || now != k.geometry.DataChunk(d.Area*k.geometry.ExceptionsPerArea()+d.Slot) {
		return false, nil
	}
	if bounds.OnDevice(d.New) && !k.geometry.IsMetadata(d.New) {
		k.corrected[d.New] = 0
	}
	return len(k.corrected) <= mostDamaged, nil
}

// namedTwice fails if a corrected number was that of one exception only: then it
// was not damaged.
func (k *keptDump) namedTwice(ctx context.Context, dump io.ReadSeeker) error {
	if len(k.corrected) == 0 {
		return nil
	}
	records, err := k.read(dump)
	if err != nil {
		return err
	}
	for d, err := range records {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if n, ok := k.corrected[d.New]; ok && !d.Stale {
			k.corrected[d.New] = n + 1
		}
	}
	for c, n := range k.corrected {
		if n < 2 {
			return fmt.Errorf("%w: it has an exception in chunk %d, and the store has it elsewhere", ErrOtherUndo, c)
		}
	}
	return nil
}

// recordReader reads the records of a store, whether or not they are in its list.
type recordReader struct {
	dev   blockdev.Device
	g     cow.Geometry
	area  uint64
	first uint64 // the slot of the first record held
	held  []byte
}

// heldRecords is how much of an area a recordReader reads at once, in bytes.
const heldRecords = 64 << 10

func (r *recordReader) at(area, slot uint64) (cow.Exception, error) {
	if area != r.area || slot < r.first || slot >= r.first+uint64(len(r.held))/cow.ExceptionSize {
		n := min(heldRecords, (r.g.ExceptionsPerArea()-slot)*cow.ExceptionSize)
		r.area, r.first, r.held = area, slot, append(r.held[:0], make([]byte, n)...)
		if err := readFull(r.dev, r.held, int64(r.g.RecordOffset(area, slot))); err != nil {
			r.held = r.held[:0]
			return cow.Exception{}, err
		}
	}
	return cow.DecodeException(r.held[(slot-r.first)*cow.ExceptionSize:]), nil
}

// recordIter finds records by their places, which must be asked for in order.
type recordIter struct {
	next func() (dumpRecord, error, bool)
	stop func()
	held dumpRecord
	err  error
	more bool
}

func newRecordIter(records iter.Seq2[dumpRecord, error]) *recordIter {
	i := &recordIter{}
	i.next, i.stop = iter.Pull2(records)
	i.held, i.err, i.more = i.next()
	return i
}

// at is the record in a place, or a record of zeroes.
func (i *recordIter) at(area, slot uint64) (cow.Exception, error) {
	for i.err == nil && i.more && (i.held.Area < area || i.held.Area == area && i.held.Slot < slot) {
		i.held, i.err, i.more = i.next()
	}
	if i.err != nil || !i.more || i.held.Area != area || i.held.Slot != slot {
		return cow.Exception{}, i.err
	}
	return cow.Exception{Old: i.held.Old, New: i.held.New}, nil
}
