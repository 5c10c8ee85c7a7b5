// The command revalidate: an invalidated store made valid again.

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const revalidateHelp = `   Makes an invalidated store valid again. This is correct only if the origin has
   not been written to since. --origin-unchanged asserts that; without it, --origin
   must be a read-only device, or match a checksum taken before. The store needs
   room, or the next write invalidates it again: --grow-by enlarges its file,
   unless it has that much room already.

EXAMPLES:
   dmsnapctl revalidate overlay.img --origin-unchanged --grow-by 1G --yes`

func revalidateCommand() *cli.Command {
	return mendCommand("revalidate", "make an invalidated store valid again", "STORE", revalidateHelp, func(c *cli.Context) error {
		grow, err := growBy(c, "grow-by")
		if err != nil {
			return err
		}
		if err := originUnchanged(c); err != nil {
			return err
		}
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Revalidate(c.Context, dev, mend.RevalidateOptions{OriginBytes: origin, GrowBy: grow})
		})
	}, append(originFlags(),
		&cli.BoolFlag{Name: "origin-unchanged", Usage: "assert that the origin has not been written to since"},
		&cli.StringFlag{Name: "origin-sha256", Usage: "the SHA-256 `CHECKSUM` of the origin before"},
		&cli.StringFlag{Name: "grow-by", Usage: "enlarge the store's file by `SIZE`, if it has less room"},
	)...)
}

// originUnchanged refuses unless the origin is known, or said, to be unchanged.
func originUnchanged(c *cli.Context) (err error) {
	if c.Bool("origin-unchanged") {
		return nil
	}
	if !c.IsSet("origin") {
		return usagef("revalidate: add --origin-unchanged if nothing was written to the origin since, or name it with --origin if it is read-only")
	}
	f, err := outputOf(c).openInput(c.String("origin"))
	if err != nil {
		return fmt.Errorf("revalidate: the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !c.IsSet("origin-sha256") {
		if isReadOnly(f) {
			return nil
		}
		return usagef("revalidate: %s is writable; add --origin-unchanged if nothing was written to it", f.Path())
	}
	shown := startCopyProgress(outputOf(c))
	got, err := checksumOf(c.Context, f, f.Size(), shown)
	shown.stop()
	if err != nil {
		return fmt.Errorf("revalidate: the origin: %w", leaving(err, "nothing was changed"))
	}
	if !strings.EqualFold(got, c.String("origin-sha256")) {
		return fmt.Errorf("revalidate: the origin has changed: its checksum is now %s", got)
	}
	return nil
}

// checksumPiece is how much is read before the next look at the context, in bytes.
const checksumPiece = 1 << 20

// checksumOf is the SHA-256 of the first size bytes, in hex.
func checksumOf(ctx context.Context, r io.ReaderAt, size int64, shown *copyProgress) (string, error) {
	sum := sha256.New()
	piece := make([]byte, checksumPiece)
	for at := int64(0); at < size; {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		n, err := r.ReadAt(piece[:min(checksumPiece, size-at)], at)
		sum.Write(piece[:n])
		at += int64(n)
		if err != nil && at < size {
			return "", err
		}
		shown.update(at, size)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
