// The command reclaim: a store made smaller.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

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
	undo, err := undoByDump(c, o, target{file.file}, c.String("undo"), func(ctx context.Context, dump io.ReadSeeker, dev blockdev.Device) error {
		return mend.CheckDump(ctx, dump, dev, nil)
	}, path)
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
