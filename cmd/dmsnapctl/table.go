// The command table: device-mapper tables written, checked and converted.

package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

const tableHelp = `   Prints tables as dmsetup create reads them, finds what is wrong with one, and
   converts to and from the concise form. No device is changed.

EXAMPLES:
   dmsnapctl table linear --length 1G --device /dev/vdb | dmsetup create vol
   dmsnapctl table snapshot --length 1G --origin /dev/vdb --cow /dev/vdc \
      --store PO
   dmsetup table vol | dmsnapctl table lint -
   dmsnapctl table concise --name vol table.txt`

func tableCommand() *cli.Command {
	return &cli.Command{
		Name:        "table",
		Usage:       "write, check and convert device-mapper tables",
		Category:    categoryControl,
		Description: tableHelp,
		Subcommands: append(targetCommands(), tableLintCommand(), tableConciseCommand()),
	}
}

// spec reads a target's flags.
type spec func(c *cli.Context) (table.Spec, error)

// targetCommands has one command for each target type.
func targetCommands() []*cli.Command {
	device := &cli.StringFlag{Name: "device", Usage: "the `DEVICE` below"}
	offset := &cli.StringFlag{Name: "offset", Value: "0", Usage: "start at `SIZE` on the device"}
	return []*cli.Command{
		targetCommand("linear", "length device", specLinear, device, offset),
		targetCommand("striped", "length stripe", specStriped,
			&cli.StringFlag{Name: "chunk-size", Value: "64K", Usage: "the `SIZE` of a stripe's chunk"},
			&cli.StringSliceFlag{Name: "stripe", Usage: "`DEVICE,OFFSET` of a stripe; once for each"}),
		targetCommand("zero", "length", func(*cli.Context) (table.Spec, error) { return table.Zero{}, nil }),
		targetCommand("error", "length", func(*cli.Context) (table.Spec, error) { return table.Error{}, nil }),
		targetCommand("delay", "length leg", specDelay,
			&cli.StringSliceFlag{Name: "leg", Usage: "`DEVICE,OFFSET,MILLISECONDS` for reads, then writes, then flushes"}),
		targetCommand("flakey", "length device up down", specFlakey, device, offset,
			&cli.Uint64Flag{Name: "up", Usage: "`SECONDS` of working"},
			&cli.Uint64Flag{Name: "down", Usage: "`SECONDS` of failing"},
			&cli.StringSliceFlag{Name: "feature", Usage: "add the `WORD` to the feature arguments"}),
		targetCommand("dust", "length device", specDust, device, offset,
			&cli.StringFlag{Name: "block-size", Value: "512", Usage: "the `SIZE` of a block"}),
		targetCommand("log-writes", "length device log", specLogWrites, device,
			&cli.StringFlag{Name: "log", Usage: "the `DEVICE` of the log"}),
		targetCommand("snapshot-origin", "length device", specSnapshotOrigin, device),
		targetCommand("snapshot", "length origin cow", specSnapshot, snapshotFlags()...),
		targetCommand("snapshot-merge", "length origin cow", specSnapshotMerge, snapshotFlags()...),
	}
}

func snapshotFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "origin", Usage: "the origin `DEVICE` of the snapshot"},
		&cli.StringFlag{Name: "cow", Usage: "the `DEVICE` of the store"},
		&cli.StringFlag{Name: "store", Value: "P", Usage: "the `KIND` of store: P, PO or N"},
		&cli.StringFlag{Name: "chunk-size", Value: "16K", Usage: "the `SIZE` of a chunk"},
		&cli.StringSliceFlag{Name: "feature", Usage: "`WORD`: discard_zeroes_cow, discard_passdown_origin"},
	}
}

// targetCommand is the command for one target; needs lists its required flags.
func targetCommand(name, needs string, read spec, flags ...cli.Flag) *cli.Command {
	flags = append([]cli.Flag{
		&cli.StringFlag{Name: "length", Usage: "the `SIZE` that the line maps"},
		&cli.StringFlag{Name: "start", Value: "0", Usage: "start the line at `SIZE` in the mapped device"},
	}, flags...)
	return &cli.Command{
		Name:  name,
		Usage: "print a line for the target " + name,
		Flags: flags,
		Action: withArgs("", func(c *cli.Context) error {
			if err := needFlags(c, strings.Fields(needs)...); err != nil {
				return err
			}
			return runTarget(c, read)
		}),
	}
}

// tableJSON is a table as JSON.
type tableJSON struct {
	Schema string   `json:"schema"`
	Lines  []string `json:"lines"`
}

// runTarget prints a line after parsing it, so that it keeps the rules of lint.
func runTarget(c *cli.Context, read spec) error {
	o := outputOf(c)
	start, err := sectorsFlag(c, "start")
	if err != nil {
		return err
	}
	length, err := sectorsFlag(c, "length")
	if err != nil {
		return err
	}
	s, err := read(c)
	if err != nil {
		return err
	}
	line := table.Target{Start: start, Length: length, Spec: s}.String()
	if _, err := table.Parse(line); err != nil {
		return usagef("%s: %s: %v", o.command, line, err)
	}
	if o.json {
		return o.printJSON(tableJSON{Schema: "dmsnapctl.table/1", Lines: []string{line}})
	}
	_, err = fmt.Fprintln(output.Raw(o.out), line) // for dmsetup
	return err
}
