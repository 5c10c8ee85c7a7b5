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

const repairHelp = `   Repairs a store without inventing content: clears records after the end of the
   list, extends a truncated file if nothing is missing, and rewrites a lost header
   if the areas show the chunk size. With --assume-canonical, damaged COW chunk
   numbers are set to their canonical value, if all others are canonical.

EXAMPLES:
   dmsnapctl repair cow.img --dry-run
   dmsnapctl repair cow.img --undo cow.undo --yes`

func repairCommand() *cli.Command {
	return mendCommand("repair", "make a store sound again", "STORE", repairHelp, func(c *cli.Context) error {
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Repair(c.Context, dev, mend.RepairOptions{OriginBytes: origin, AssumeCanonical: c.Bool("assume-canonical")})
		})
	}, append(originFlags(), &cli.BoolFlag{Name: "assume-canonical", Usage: "derive damaged COW chunk numbers from the layout"})...)
}

const reclaimHelp = `   Frees leaked chunks: data from the highest chunks moves into the holes. A crash
   or an interrupt loses nothing; a second run finishes. With --to, STORE stays as
   it is, and a copy without holes is written to a new file.

EXAMPLES:
   dmsnapctl reclaim /dev/vg/cow --yes
   dmsnapctl reclaim cow.img --to new.img --yes`

func reclaimCommand() *cli.Command {
	return mendCommand("reclaim", "free leaked chunks", "STORE", reclaimHelp, func(c *cli.Context) error {
		if c.IsSet("to") {
			return runCompact(c)
		}
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Reclaim(c.Context, dev, mend.ReclaimOptions{OriginBytes: origin})
		})
	}, append(originFlags(), &cli.StringFlag{Name: "to", Usage: "write a copy without holes to `NEWFILE`"})...)
}

// runCompact writes a store without holes to a new file. The undo file is a dump
// of the store, which stays as it is: with it, restore --data gives the new file
// the old places.
func runCompact(c *cli.Context) (err error) {
	o := outputOf(c)
	path, name := storeArg(c, 0), c.String("to")
	if c.IsSet("undo") && output.SamePlace(name, c.String("undo")) {
		return usagef("reclaim: --to and --undo name the same file %s", name)
	}
	to, err := output.To(name, output.Options{Reads: []string{path, c.String("undo")}, Private: true, New: true})
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
	undo, err := undoByDump(c, o, target{file.file}, c.String("undo"), mend.CheckDump, path)
	if err != nil {
		return err
	}
	anew, err := mend.PlanCompaction(c.Context, file.file, 0)
	if err != nil {
		return fmt.Errorf("reclaim %s: %w", path, err)
	}
	plan := &mend.Plan{Title: "write the store without holes to " + output.Name(name)}
	for _, step := range anew.Steps() {
		plan.Stages = append(plan.Stages, mend.Stage{Say: step})
	}
	return mendRun{c, o, path, plan, undo, func(progress func(mend.Progress)) error {
		return to.WriteImage(anew.Size(), func(f *os.File) error { return anew.Write(c.Context, f, progress) })
	}}.run()
}

const revalidateHelp = `   Makes an invalidated store valid again. This is correct only if the origin has
   not been written to since. --origin-unchanged asserts that; without it, --origin
   must be a read-only device, or match a checksum taken before. The store needs
   room, or the next write invalidates it again: --grow-by enlarges its file,
   unless it has that much room already.

EXAMPLES:
   dmsnapctl revalidate overlay.img --origin-unchanged --grow-by 1G --yes`

func revalidateCommand() *cli.Command {
	return mendCommand("revalidate", "make an invalidated store valid again", "STORE", revalidateHelp, func(c *cli.Context) error {
		grow, _, err := sizeFlag(c, "grow-by")
		if err != nil {
			return err
		}
		if grow > 1<<62 {
			return usagef("revalidate: --grow-by %d is too large for a file", grow)
		}
		if err := originUnchanged(c); err != nil {
			return err
		}
		return mended(c, func(dev blockdev.Device, origin int64) (*mend.Plan, error) {
			return mend.Revalidate(c.Context, dev, mend.RevalidateOptions{OriginBytes: origin, GrowBy: int64(grow)})
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
		return fmt.Errorf("the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if !c.IsSet("origin-sha256") {
		if isReadOnly(f) {
			return nil
		}
		return usagef("revalidate: %s is writable; add --origin-unchanged if nothing was written to it", f.Path())
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return fmt.Errorf("the origin: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); !strings.EqualFold(got, c.String("origin-sha256")) {
		return fmt.Errorf("revalidate: the origin has changed: its checksum is now %s", got)
	}
	return nil
}
