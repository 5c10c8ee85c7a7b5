// The flags of the command table's targets.

package main

import (
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

func specLinear(c *cli.Context) (table.Spec, error) {
	offset, err := sectorsFlag(c, "offset")
	return table.Linear{Device: c.String("device"), Offset: offset}, err
}

func specStriped(c *cli.Context) (table.Spec, error) {
	chunk, err := sectorsFlag(c, "chunk-size")
	if err != nil {
		return nil, err
	}
	s := table.Striped{ChunkSize: chunk}
	for _, text := range c.StringSlice("stripe") {
		parts, ok := lastFields(text, 2)
		if !ok {
			return nil, usagef("--stripe %s: want DEVICE,OFFSET", text)
		}
		offset, err := parseSectors("stripe", parts[1])
		if err != nil {
			return nil, err
		}
		s.Stripes = append(s.Stripes, table.Stripe{Device: parts[0], Offset: offset})
	}
	return s, nil
}

func specDelay(c *cli.Context) (table.Spec, error) {
	var d table.Delay
	for _, text := range c.StringSlice("leg") {
		parts, ok := lastFields(text, 3)
		if !ok {
			return nil, usagef("--leg %s: want DEVICE,OFFSET,MILLISECONDS", text)
		}
		offset, err := parseSectors("leg", parts[1])
		if err != nil {
			return nil, err
		}
		ms, err := strconv.ParseUint(parts[2], 10, 32)
		if err != nil {
			return nil, usagef("--leg %s: %q is not a number of milliseconds", text, parts[2])
		}
		d.Legs = append(d.Legs, table.DelayLeg{Device: parts[0], Offset: offset, Milliseconds: ms})
	}
	return d, nil
}

func specFlakey(c *cli.Context) (table.Spec, error) {
	offset, err := sectorsFlag(c, "offset")
	return table.Flakey{
		Device: c.String("device"), Offset: offset,
		Up: c.Uint64("up"), Down: c.Uint64("down"), Features: c.StringSlice("feature"),
	}, err
}

func specDust(c *cli.Context) (table.Spec, error) {
	offset, err := sectorsFlag(c, "offset")
	if err != nil {
		return nil, err
	}
	block, err := parseSize(c.String("block-size"))
	return table.Dust{Device: c.String("device"), Offset: offset, BlockBytes: block}, err
}

func specLogWrites(c *cli.Context) (table.Spec, error) {
	return table.LogWrites{Device: c.String("device"), Log: c.String("log")}, nil
}

func specSnapshotOrigin(c *cli.Context) (table.Spec, error) {
	return table.SnapshotOrigin{Device: c.String("device")}, nil
}

func specSnapshot(c *cli.Context) (table.Spec, error) {
	args, err := snapshotArgs(c)
	return table.Snapshot(args), err
}

func specSnapshotMerge(c *cli.Context) (table.Spec, error) {
	args, err := snapshotArgs(c)
	return table.SnapshotMerge(args), err
}

func snapshotArgs(c *cli.Context) (table.SnapshotArgs, error) {
	chunk, err := sectorsFlag(c, "chunk-size")
	return table.SnapshotArgs{
		Origin: c.String("origin"), COW: c.String("cow"), Store: table.Store(c.String("store")),
		ChunkSize: chunk, Features: c.StringSlice("feature"),
	}, err
}
