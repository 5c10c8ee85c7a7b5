// The command map: a picture of a COW store.

package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

const mapHelp = `   Shows every chunk of a store's device: data, metadata, leaked, damaged and
   free. The store is judged as by verify and never written. A picture that
   was drawn is exit code 0, whatever it shows.

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
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "draw into `FILE`.svg or FILE.png, or with '-' as SVG to stdout, rather than in the terminal"},
		},
		Action: withArgs("STORE", runMap),
	}
}

func runMap(c *cli.Context) error {
	o := outputOf(c)
	path := c.Args().First()
	columns := columnsOf(o.out)
	draw, err := drawer(c.String("output"))
	if err != nil {
		return err
	}
	opt := verify.Options{Path: path, MaxFindings: -1, Bins: picture.TextBins(columns)}
	if draw != nil || o.json {
		opt.Bins = picture.Bins
	}
	if !o.json {
		opt.Path = printable(path) // pictures show it as it is
	}
	report, err := judgeStore(c.Context, o, path, opt)
	switch {
	case err != nil:
		return fmt.Errorf("map %s: %w", path, err)
	case report.Usage == nil:
		return fmt.Errorf("map %s: nothing to draw: %s", path, verdictLine(report))
	case o.json:
		report.Schema = schemaOf(o.command)
		return o.printJSON(report)
	case draw == nil:
		err = picture.Text(o.out, report, columns, o.color)
	case c.String("output") == "-":
		err = draw(o.out, report)
	default:
		err = drawFile(c.String("output"), draw, report)
	}
	if err != nil {
		return fmt.Errorf("map %s: writing the picture: %w", path, err)
	}
	return nil
}

// drawFunc draws a report that has bins.
type drawFunc func(io.Writer, *verify.Report) error

// drawer is the way of drawing that goes with a file name, nil with none.
func drawer(name string) (drawFunc, error) {
	switch {
	case name == "":
		return nil, nil
	case name == "-", filepath.Ext(name) == ".svg":
		return picture.SVG, nil
	case filepath.Ext(name) == ".png":
		return picture.PNG, nil
	}
	return nil, usagef("%q is no name for a picture; it must end in .svg or .png", name)
}

func drawFile(name string, draw drawFunc, r *verify.Report) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	if err := draw(f, r); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// columnsOf is the width of the terminal that is written to; where none is,
// what COLUMNS says, or 80.
func columnsOf(w io.Writer) int {
	const usual = 80
	if f, ok := fileOf(w); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return min(n, 1000)
	}
	return usual
}
