// The command crash mark: mark the logs of a running recording.

package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const crashMarkHelp = `   Puts a mark into the log of a running "crash record": with --upper into both
   logs, the upper one first. The recorded device is the one in DMSNAPCTL_DEVICE, as
   in the COMMAND of the recording; without that variable, the only one there is.

   A mark flushes nothing. What was flushed above before a mark must be readable in
   every later state ("crash explore --upper"); writes that were not flushed may
   follow the mark in the log. TEXT has no blanks.

EXAMPLES:
   dmsnapctl crash mark frozen`

func crashMarkCommand() *cli.Command {
	return &cli.Command{
		Name: "mark", Usage: "mark the log of a running recording", ArgsUsage: "TEXT",
		Description: crashMarkHelp,
		Action:      withArgs("TEXT", withController(runCrashMark)),
	}
}

// crashMarkJSON is the result as JSON.
type crashMarkJSON struct {
	Schema  string   `json:"schema"`
	Mark    string   `json:"mark"`
	Devices []string `json:"devices"` // from the top down
}

func runCrashMark(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	text := c.Args().First()
	names, err := ctl.MarkRecordings(os.Getenv(deviceVariable), text)
	if err != nil {
		return err
	}
	if o.json {
		return o.printJSON(crashMarkJSON{Schema: schemaOf(o.command), Mark: text, Devices: names})
	}
	_, err = fmt.Fprintf(o.out, "marked %q: %s\n", text, output.Name(strings.Join(names, ", ")))
	return err
}
