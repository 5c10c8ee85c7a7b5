// The commands repair, reclaim and revalidate: a store made sound, smaller, or
// valid again.

package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const repairHelp = `   Makes a store sound without inventing contents: clears records behind the end
   of the list, grows a file that was cut off where nothing is missing, and writes
   a lost header anew where the areas show the chunk size. With --assume-canonical
   a damaged COW chunk number gets its place in the canonical layout, where all
   others lie in it.

EXAMPLES:
   dmsnapctl repair cow.img --dry-run
   dmsnapctl repair cow.img --undo cow.undo --yes`

func repairCommand() *cli.Command {
	return mendCommand("repair", "make a store sound again", "STORE", repairHelp, func(c *cli.Context) error {
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Repair(c.Context, dev, mend.RepairOptions{OriginBytes: origin, AssumeCanonical: c.Bool("assume-canonical")})
		})
	}, append(originFlags(), &cli.BoolFlag{Name: "assume-canonical", Usage: "take damaged COW chunk numbers from the layout"})...)
}

const reclaimHelp = `   Gives leaked chunks back: the data in the highest chunks moves into the holes.
   A crash or an interrupt loses nothing; a second run finishes. With --to the
   store is written anew, without holes, into a new file, and stays as it is.

EXAMPLES:
   dmsnapctl reclaim /dev/vg/cow --yes
   dmsnapctl reclaim cow.img --to smaller.img`

func reclaimCommand() *cli.Command {
	return mendCommand("reclaim", "give leaked chunks back", "STORE", reclaimHelp, func(c *cli.Context) error {
		if c.IsSet("to") {
			return runCompact(c)
		}
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Reclaim(c.Context, dev, mend.ReclaimOptions{OriginBytes: origin})
		})
	}, append(originFlags(), &cli.StringFlag{Name: "to", Usage: "write the store anew into `NEWFILE`"})...)
}

// runCompact writes a store without holes.
func runCompact(c *cli.Context) (err error) {
	o := outputOf(c)
	path := storeArg(c, 0)
	if c.IsSet("undo") {
		return usagef("reclaim: --to changes nothing that could be undone; leave --undo out")
	}
	to, err := output.To(c.String("to"), output.Options{Reads: []string{path}, Private: true, New: true})
	if err != nil {
		return err
	}
	file, err := openStoreFile(c.Context, o, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	if file.active != nil {
		return fmt.Errorf("reclaim %s: it is in use by %s", path, file.active.by)
	}
	if !c.Bool("dry-run") {
		shown := startCopyProgress(o)
		err = to.WriteImage(file.file.Size(), func(f *os.File) error {
			return mend.Compact(c.Context, file.file, f, 0, func(p mend.Progress) { shown.update(p.Done, p.Total) })
		})
		shown.stop()
		if err != nil {
			return fmt.Errorf("reclaim %s: %w", path, err)
		}
	}
	p := &mend.Plan{Title: "write the store anew into " + output.Name(to.Path())}
	if o.json {
		return o.printJSON(planJSON{Schema: schemaOf(o.command), Name: path, DryRun: c.Bool("dry-run"), Steps: []string{p.Title}, Notes: []string{}})
	}
	_, err = fmt.Fprintln(o.out, p.Title)
	return err
}

const revalidateHelp = `   Makes an invalidated store valid again. That is right only where the origin has
   not been written to since: --origin-unchanged asserts it; without it, --origin
   must be a read-only device, or have the checksum that was taken before. The
   store must have room, or the next write invalidates it again: --grow-by.

EXAMPLES:
   dmsnapctl revalidate overlay.img --origin-unchanged --grow-by 1G --yes`

func revalidateCommand() *cli.Command {
	return mendCommand("revalidate", "make an invalidated store valid again", "STORE", revalidateHelp, func(c *cli.Context) error {
		grow, _, err := sizeFlag(c, "grow-by")
		if err != nil {
			return err
		}
		if grow > 1<<62 {
			return usagef("revalidate: --grow-by %d is no size of a file", grow)
		}
		if err := originUnchanged(c); err != nil {
			return err
		}
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Revalidate(c.Context, dev, mend.RevalidateOptions{OriginBytes: origin, GrowBy: int64(grow)})
		})
	}, append(originFlags(),
		&cli.BoolFlag{Name: "origin-unchanged", Usage: "the origin has not been written to since"},
		&cli.StringFlag{Name: "origin-sha256", Usage: "the `CHECKSUM` that the origin had before"},
		&cli.StringFlag{Name: "grow-by", Usage: "make the store's file larger by `SIZE`"},
	)...)
}

// originUnchanged wants a reason to believe that the origin is what it was.
func originUnchanged(c *cli.Context) (err error) {
	if c.Bool("origin-unchanged") {
		return nil
	}
	if !c.IsSet("origin") {
		return usagef("revalidate: say --origin-unchanged if nobody has written to the origin since, or name it by --origin if it is read-only")
	}
	f, err := blockdev.Open(c.String("origin"))
	if err != nil {
		return fmt.Errorf("the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !c.IsSet("origin-sha256") {
		if isReadOnly(f) {
			return nil
		}
		return usagef("revalidate: %s can be written to; say --origin-unchanged if nobody has", f.Path())
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return fmt.Errorf("the origin: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, c.String("origin-sha256")) {
		return fmt.Errorf("revalidate: the origin has changed: its checksum is %s", got)
	}
	return nil
}
