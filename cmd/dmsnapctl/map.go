// The command map: a picture of a COW store.

package main

import (
	"cmp"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

const mapHelp = `   Shows every chunk of a store's device: data, metadata, leaked, damaged and
   free. The store is judged as verify does and never written. The exit code is
   0 if the picture is drawn, sound store or not.

EXAMPLES:
   dmsnapctl map overlay.img
   dmsnapctl map /dev/mapper/vg-snap-cow -o snap.svg
   dmsnapctl map overlay.img -o - > overlay.svg`

func mapCommand() *cli.Command {
	return &cli.Command{
		Name:        "map",
		Usage:       "draw a COW store: what its chunks are, and which leaked",
		ArgsUsage:   "STORE",
		Category:    categoryJudge,
		Description: mapHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "draw to `FILE`.svg or FILE.png instead of the terminal; - writes SVG to stdout"},
		},
		Action: withArgs("STORE", byName(runMap)),
	}
}

func runMap(c *cli.Context) error {
	o := outputOf(c)
	path := judgedNamed(c.Context, c.Args().First())
	columns := columnsOf(o.out)
	file, err := pictureFlag(c, "output", path)
	switch {
	case err != nil:
		return err
	case o.json && file != nil && file.IsStdout():
		return usagef("map: --json and -o - both want stdout; name a file for the picture")
	}
	opt := verify.Options{Bins: picture.TextBins(columns)}
	if file != nil || o.json {
		opt.Bins = picture.Bins
	}
	report, err := judgeStore(c.Context, o, path, opt)
	switch {
	case err != nil && c.Context.Err() != nil:
		return fmt.Errorf("map %s: interrupted; nothing was drawn, and nothing was changed: %w", path, err)
	case err != nil:
		return fmt.Errorf("map %s: %w", path, err)
	}
	if why := whyNoPicture(report.Report); why != "" {
		return fmt.Errorf("map %s: nothing to draw: %s", path, why)
	}
	report.Advice = adviceOnStore(report, "")
	if file != nil {
		err = file.write(report)
	} else if !o.json {
		err = picture.Terminal{Columns: columns, Color: o.color, ASCII: !output.UTF8()}.Text(o.out, output.Name(path), report.Report)
		err = cmp.Or(err, printAdvice(o.out, report.Advice))
	}
	switch {
	case err != nil:
		return fmt.Errorf("map %s: the picture: %w", path, err)
	case o.json:
		return o.printJSON(report)
	}
	return nil
}
