// The command apply: a store merged into its origin.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const applyHelp = `   Merges offline: copies the snapshot's chunks to the origin, then empties the
   store. A crash or an interrupt loses nothing; a second run finishes. --undo saves
   the origin's old content as a store in FILE, which 'apply FILE --to DEVICE' puts
   back, and the emptied store's records in FILE.dump, for 'restore'.

EXAMPLES:
   dmsnapctl apply cow.img --to disk.img --undo before.img --yes`

func applyCommand() *cli.Command {
	return mendCommand("apply", "merge a store into its origin, offline", "STORE", applyHelp, runApply,
		&cli.StringFlag{Name: "to", Usage: "the origin's `DEVICE` or file"})
}

func runApply(c *cli.Context) (err error) {
	o := outputOf(c)
	if err := needFlags(c, "to"); err != nil {
		return err
	}
	path := storeArg(c, 0)
	origin, originFile, err := openTarget(c, c.String("to"), "the origin")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, originFile.Close()) }()
	if err := refuseSnapshots(c.Context, originFile); err != nil {
		return err
	}
	dev, f, err := openTarget(c, path, "the store")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	p, im, err := mend.Apply(c.Context, dev, origin)
	switch {
	case errors.Is(err, mend.ErrOneDevice):
		return usagef("apply: %s and --to %s are the same file or device; name the snapshot's origin", path, c.String("to"))
	case err != nil:
		return fmt.Errorf("apply %s: %w", path, leaving(err, "nothing was changed"))
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	undo, err := undoApply(c, o, im, dev, origin)
	if err != nil {
		return err
	}
	return runOf(c, o, path, p, undo).run()
}

// undoApply saves the origin's content and the store's records.
func undoApply(c *cli.Context, o *console, im *image.Image, dev, origin blockdev.Device) (func() error, error) {
	name := c.String("undo")
	if name == "" {
		return nil, nil
	}
	reads := []string{storeArg(c, 0), c.String("to")}
	if err := notAnInput(o, name, reads...); err != nil {
		return nil, err
	}
	var to *output.Destination
	kept, err := undoIsThere(o, name)
	if err != nil {
		return nil, err
	}
	if !kept {
		if to, err = output.To(name, output.Options{Reads: reads, Private: true, New: true}); err != nil {
			return nil, err
		}
	}
	check := mend.CheckDumpOfApply
	if !kept { // the store is not emptied before both files are complete
		check = func(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device) error {
			return mend.CheckDump(ctx, dump, dev, nil)
		}
	}
	records, err := undoByDump(c, o, dev, name+".dump", check, reads...)
	if err != nil {
		return nil, err
	}
	return func() error {
		if kept { // checked first: if it is not ours, no new file is left next to it
			if err := checkOriginUndo(c, o, dev, origin, name); err != nil {
				return err
			}
		}
		if err := records(); err != nil || kept {
			return err
		}
		shown := startCopyProgress(o)
		defer shown.stop()
		return to.WriteImage(0, func(f *os.File) error {
			return mend.WriteOriginUndo(c.Context, im, origin, f, func(p mend.Progress) { shown.update(p.Done, p.Total) })
		})
	}, nil
}

// checkOriginUndo checks that an existing store, with the dump next to it if there
// is one, undoes the merge.
func checkOriginUndo(c *cli.Context, o *console, dev, origin blockdev.Device, name string) (err error) {
	f, err := o.openInput(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var dump io.ReadSeeker // nil for none
	lines, err := os.Open(name + ".dump")
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, lines.Close()) }()
		dump = lines
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := mend.CheckOriginUndo(c.Context, dev, origin, f, f.Size(), dump); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	o.warnf("%s is kept: it undoes the previous run", name)
	return nil
}
