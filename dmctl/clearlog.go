package dmctl

// Clearing a device for a log, so that later readers of the log do not take
// old data for entries.

import (
	"context"
	"errors"

	"github.com/dmsnapctl/dmsnapctl/dmctl/host"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// clearPiece is how much is read, and zeroed, at once, in bytes. The first piece
// has the log's super block, which the kernel writes only with its first FUA
// entry or mark: it is always zeroed.
const clearPiece = 1 << 20

// clearLog zeroes each piece of a claimed device with a block that could be
// taken for an entry. After a kill, the number of entries in the super block
// lags behind, and the log seems to continue only if there is such a block.
// Everything else may stay: an old log of data or an empty device is read, but
// not written.
func clearLog(ctx context.Context, log host.Disk, progress func(done, total int64)) (err error) {
	from, err := log.Content()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := log.Writer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	piece, zeros := make([]byte, clearPiece), make([]byte, clearPiece)
	for at, size := int64(0), log.Bytes(); at < size; at += clearPiece {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n := min(clearPiece, size-at)
		if err := blockdev.ReadFull(from, piece[:n], at); err != nil {
			return err
		}
		if at == 0 || logwrites.CouldHoldEntries(piece[:n]) {
			if _, err := to.WriteAt(zeros[:n], at); err != nil {
				return err
			}
		}
		if progress != nil {
			progress(at+n, size)
		}
	}
	return to.Flush()
}
