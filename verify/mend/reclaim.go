package mend

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/chunkset"
	"github.com/dmsnapctl/dmsnapctl/verify/internal/transfer"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

// ReclaimOptions are the limits of a reclaim.
type ReclaimOptions struct {
	OriginBytes int64 // 0 if unknown
	BatchBytes  int64 // copied between two flushes; 0 means DefaultBatchBytes
	MostMoves   int   // in one plan; 0 means DefaultMostMoves
}

// Defaults of ReclaimOptions.
const (
	DefaultBatchBytes = 64 << 20
	DefaultMostMoves  = 4 << 20
)

// move moves the data of one exception to another chunk.
type move struct {
	record   int64 // its offset in bytes
	old      cow.Chunk
	from, to cow.Chunk
}

// reclaimMemory bounds the set of chunks in use, in bytes.
const reclaimMemory = 16 << 20

// Reclaim plans to return leaked chunks: it moves the data in the highest
// chunks into holes, batch by batch. In each batch, the copies are durable
// before a record names them. A chunk that was copied from is never written to,
// so the old records stay true.
func Reclaim(ctx context.Context, dev blockdev.Device, opt ReclaimOptions) (*Plan, error) {
	if opt.BatchBytes <= 0 {
		opt.BatchBytes = DefaultBatchBytes
	}
	if opt.MostMoves <= 0 {
		opt.MostMoves = DefaultMostMoves
	}
	p := &Plan{Title: "reclaim leaked chunks", Resume: "the store is intact", Again: true}
	s, err := examine(ctx, dev, opt.OriginBytes)
	if err != nil {
		return nil, err
	}
	if err := s.sound(); err != nil {
		return nil, err
	}
	if err := s.clearStale(ctx, p, dev); err != nil {
		return nil, err
	}
	moves, err := s.moves(ctx, opt.MostMoves)
	if err != nil {
		return nil, err
	}
	batches := slices.Collect(slices.Chunk(moves, int(max(1, opt.BatchBytes/s.geometry().ChunkBytes()))))
	for i, batch := range batches {
		stage := s.copyStage(ctx, batch)
		if i+1 < len(batches) {
			stage.meanwhile = func() { s.startReading(batches[i+1]) }
		}
		p.Stages = append(p.Stages, stage, s.recordStage(batch))
	}
	if len(moves) > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("free at the end of the store after this: %s of %d bytes", count.Of(len(moves), "chunk"), s.geometry().ChunkBytes()))
	}
	p.check = expect(dev, opt.OriginBytes, verify.Clean)
	if len(moves) == opt.MostMoves {
		p.Notes = append(p.Notes, "another run can move more chunks")
		p.check = expect(dev, opt.OriginBytes, verify.Clean, verify.Leaked)
	}
	return p, nil
}

// moves returns what must move where: with n exceptions, all data past the
// first n data chunks goes into the holes among those, the highest first.
func (s *subject) moves(ctx context.Context, most int) ([]move, error) {
	g, n := s.geometry(), s.report.Usage.Exceptions
	end := g.DataChunk(n)
	var moves []move
	for e, err := range s.records(ctx) {
		if err != nil {
			return nil, err
		}
		if e.New >= end {
			moves = append(moves, move{record: int64(g.RecordOffset(e.Area, e.Slot)), old: e.Old, from: e.New})
		}
		if len(moves) >= 2*most { // keep the highest
			slices.SortFunc(moves, func(a, b move) int { return cmp.Compare(b.from, a.from) })
			moves = moves[:most]
		}
	}
	slices.SortFunc(moves, func(a, b move) int { return cmp.Compare(b.from, a.from) })
	moves = moves[:min(most, len(moves))]
	filled := 0
	for hole, err := range s.holes(ctx, end) {
		if err != nil {
			return nil, err
		}
		if filled == len(moves) {
			break
		}
		moves[filled].to = hole
		filled++
	}
	if filled < len(moves) {
		return nil, fmt.Errorf("%w: there is room below for only %d of %s", verify.ErrDamaged, filled, count.Of(len(moves), "chunk"))
	}
	return moves, nil
}

// records yields the exceptions in the list; an unreadable area is an error.
func (s *subject) records(ctx context.Context) iter.Seq2[store.Record, error] {
	return s.st.Exceptions(ctx)
}

// holes yields the data chunks below end that no exception names, in order.
func (s *subject) holes(ctx context.Context, end cow.Chunk) iter.Seq2[cow.Chunk, error] {
	return func(yield func(cow.Chunk, error) bool) {
		runs := chunkset.NewRuns(end, reclaimMemory)
		g := s.st.Geometry()
		for more := true; more && runs.Next(); {
			for e, err := range s.records(ctx) {
				if err != nil {
					yield(0, err)
					return
				}
				runs.Take(e.New)
			}
			runs.Absent(func(first, behind cow.Chunk) {
				for c := first; more && c < behind; c++ {
					if !g.IsMetadata(c) {
						more = yield(c, nil)
					}
				}
			})
		}
	}
}

// copyStage copies a batch. It takes both ends in the order of the device, and
// joins neighbours.
func (s *subject) copyStage(ctx context.Context, batch []move) Stage {
	slices.SortFunc(batch, func(a, b move) int { return cmp.Compare(a.from, b.from) })
	places := make([]cow.Chunk, len(batch))
	for i, m := range batch {
		places[i] = m.to
	}
	slices.Sort(places)
	for i := range batch {
		batch[i].to = places[i]
	}
	chunk := s.geometry().ChunkBytes()
	return Stage{
		Say:    fmt.Sprintf("copy %s, from chunk %d on, into holes from chunk %d on", count.Of(len(batch), "chunk"), batch[0].from, batch[0].to),
		Bytes:  int64(len(batch)) * chunk,
		device: s.dev, barrier: true,
		writes: passed(func(take func(at int64, b []byte) error) error {
			return transfer.Ahead(ctx, s.loads(batch), take)
		}),
	}
}

// loads yields the reads of sorted moves, as many chunks at a time as fit in a
// window. No chunk that is read lies where the batch writes.
func (s *subject) loads(batch []move) iter.Seq2[transfer.Load, error] {
	chunk := s.geometry().ChunkBytes()
	piece := min(chunk, transfer.WindowBytes)
	return func(yield func(transfer.Load, error) bool) {
		var held []transfer.Move
		for _, m := range batch {
			for at := int64(0); at < chunk; at += piece { // both are powers of two
				if int64(len(held)) == transfer.WindowBytes/piece {
					if !yield(transfer.Scattered(s.dev, held), nil) {
						return
					}
					held = held[:0]
				}
				held = append(held, transfer.Move{From: s.offset(m.from) + at, To: s.offset(m.to) + at, Length: piece})
			}
		}
		yield(transfer.Scattered(s.dev, held), nil)
	}
}

// startReading lets the kernel read what a batch will copy, as far as that is
// sure to fit into the page cache. While a batch is flushed, the disk would not
// read otherwise.
func (s *subject) startReading(batch []move) {
	left := int64(DefaultBatchBytes)
	for part := range s.sources(batch) {
		if left -= part.Length; left < 0 {
			return
		}
		blockdev.StartReading(s.dev, part.Offset, part.Length)
	}
}

// sources yields where sorted moves read, with neighbours together.
func (s *subject) sources(batch []move) iter.Seq[image.Span] {
	chunk := s.geometry().ChunkBytes()
	return func(yield func(image.Span) bool) {
		var now image.Span
		for _, m := range batch {
			at := s.offset(m.from)
			if now.Length > 0 && now.End() == at {
				now.Length += chunk
				continue
			}
			if now.Length > 0 && !yield(now) {
				return
			}
			now = image.Span{Offset: at, Length: chunk}
		}
		if now.Length > 0 {
			yield(now)
		}
	}
}

// copied yields the writes that copy length bytes.
func copied(from blockdev.Device, source, target, length int64) iter.Seq2[write, error] {
	return func(yield func(write, error) bool) {
		buf := make([]byte, min(length, transfer.PieceBytes))
		for done := int64(0); done < length; {
			b := buf[:min(int64(len(buf)), length-done)]
			err := readFull(from, b, source+done)
			if !yield(write{target + done, b}, err) || err != nil {
				return
			}
			done += int64(len(b))
		}
	}
}

// recordStage changes the records of a batch to name the copies.
func (s *subject) recordStage(batch []move) Stage {
	sorted := slices.Clone(batch)
	slices.SortFunc(sorted, func(a, b move) int { return cmp.Compare(a.record, b.record) })
	return Stage{
		Say:    fmt.Sprintf("change %s to name the copies", count.Of(len(batch), "exception")),
		Bytes:  int64(len(batch)) * cow.ExceptionSize,
		device: s.dev, barrier: true,
		writes: func(yield func(write, error) bool) {
			for rest := sorted; len(rest) > 0; {
				w := write{at: rest[0].record}
				for len(rest) > 0 && rest[0].record == w.at+int64(len(w.data)) {
					w.data = cow.Exception{Old: rest[0].old, New: rest[0].to}.AppendTo(w.data)
					rest = rest[1:]
				}
				if !yield(w, nil) {
					return
				}
			}
		},
	}
}
