// The command size: how large a COW device must be.

package main

import (
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

const sizeHelp = `   Prints how large a COW device must be: needed for the expected writes (the
   whole origin without --writes), at most, and at least. With STORE it also prints
   the smallest safe size of that store's device, at which nothing is lost but the
   next write needs more.

EXAMPLES:
   dmsnapctl size --origin-size 20G --chunk-size 4K --writes 2G
   dmsnapctl size /dev/vg/cow --origin /dev/vg/root`

func sizeCommand() *cli.Command {
	return &cli.Command{
		Name: "size", Usage: "print how large a COW device must be", ArgsUsage: "[STORE]", Category: categoryTools, Description: sizeHelp,
		Flags: append(originFlags(),
			&cli.StringFlag{Name: "chunk-size", Usage: "the `SIZE` of a chunk; STORE has its own"},
			&cli.StringFlag{Name: "writes", Usage: "`SIZE` of the expected writes, in whole chunks"},
			&cli.BoolFlag{Name: "leaky-kernel", Usage: "add room for chunks that a leaky kernel loses in crashes"},
		),
		Action: withArgs("[STORE]", byName(runSize)),
	}
}

// sizeJSON is the result as JSON. A size is null if it was not requested or is
// unknown.
type sizeJSON struct {
	Schema       string `json:"schema"`
	ChunkBytes   int64  `json:"chunk_bytes"`
	Needed       *int64 `json:"needed_bytes"`
	Maximum      *int64 `json:"maximum_bytes"`
	Minimum      int64  `json:"minimum_bytes"`
	SmallestSafe *int64 `json:"smallest_safe_bytes"`
}

func runSize(c *cli.Context) error {
	o := outputOf(c)
	origin, err := originBytesOf(c)
	if err != nil {
		return err
	}
	out := sizeJSON{Schema: schemaOf(o.command)}
	g, held, code, err := sizeGeometry(c, o, origin, &out)
	if err != nil {
		return err
	}
	writes, given, err := sizeFlag(c, "writes")
	if err != nil {
		return err
	}
	out.ChunkBytes, out.Minimum = g.ChunkBytes(), cow.LeastBytes(g.ChunkSectors())
	if !given {
		writes = math.MaxInt64
	}
	if origin > 0 {
		sizes, err := g.SizesFor(origin, int64(min(writes, math.MaxInt64)), held, c.Bool("leaky-kernel"))
		if err != nil {
			return fmt.Errorf("size: %w", err)
		}
		out.Needed, out.Maximum = &sizes.Needed, &sizes.Maximum
	}
	if o.json {
		err = o.printJSON(out)
	} else {
		err = printSizes(o, out)
	}
	if err == nil && code != exitFine {
		err = exitStatus(code)
	}
	return err
}

// sizeGeometry is the geometry, and the number of data chunks that STORE has
// taken.
func sizeGeometry(c *cli.Context, o *console, origin int64, out *sizeJSON) (g cow.Geometry, held uint64, code int, err error) {
	given := c.IsSet("chunk-size")
	if c.NArg() == 0 {
		switch {
		case origin == 0:
			return g, 0, 0, usagef("size: missing --origin-size; see 'dmsnapctl size --help'")
		case !given:
			return g, 0, 0, usagef("size: missing --chunk-size; see 'dmsnapctl size --help'")
		}
		chunk, err := sectorsFlag(c, "chunk-size")
		if err != nil {
			return g, 0, 0, err
		}
		if g, err = cow.NewGeometry(chunk); err != nil {
			return g, 0, 0, usagef("size: --chunk-size: %v", err)
		}
		return g, 0, exitFine, nil
	}
	if given {
		return g, 0, 0, usagef("size: STORE has its own chunk size; leave --chunk-size out")
	}
	path := storeArg(c, 0)
	report, err := judgeStore(c.Context, o, path, verify.Options{OriginBytes: origin})
	if err != nil {
		return g, 0, 0, fmt.Errorf("size %s: %w", path, err)
	}
	if report.Usage == nil {
		return g, 0, 0, fmt.Errorf("size %s: %w", path, whyNoList(report.Report))
	}
	if g, err = cow.NewGeometry(report.Header.ChunkSectors); err != nil {
		return g, 0, 0, err
	}
	if code = toolCode(report.Report); code == exitFine || report.Verdict == verify.Invalid {
		safe := g.SmallestSafe(report.Usage.NextFreeChunk, report.Usage.Areas)
		out.SmallestSafe = &safe
	} else {
		o.warnf("size %s: the store is %s: the smallest safe size is unknown", path, report.Verdict)
	}
	return g, g.DataChunksIn(cow.FirstData, report.Usage.NextFreeChunk), code, nil
}

func printSizes(o *console, s sizeJSON) error {
	line := func(what string, n *int64) string {
		if n == nil {
			return ""
		}
		return fmt.Sprintf("%-14s %12d bytes (%s)\n", what, *n, count.Bytes(*n))
	}
	_, err := fmt.Fprint(o.out, line("needed", s.Needed), line("maximum", s.Maximum), line("minimum", &s.Minimum), line("smallest safe", s.SmallestSafe))
	return err
}
