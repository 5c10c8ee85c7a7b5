// The command crash record: log every write of a workload.

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

const crashRecordHelp = `   Puts DEVICE under dm-log-writes, clears another device for the log, and runs
   COMMAND with the path of the logged device in DMSNAPCTL_DEVICE. COMMAND puts an
   origin and COW stores on that device (dmsetup's target linear), takes a snapshot,
   writes, and removes its devices again. The log ends with COMMAND.

   The start of the log device is zeroed, and so is everything on it that could be
   mistaken for entries of the log. For that the whole device is read.

   A mark records the moment when the origin was frozen. --mark puts one at the
   start; COMMAND can add others with "dmsnapctl crash mark". Always flush before
   that mark.

   With --upper there are two logs. The shell command of --setup builds the stack on
   DMSNAPCTL_DEVICE; the last line that it prints is the path of a device in it,
   such as the origin or the snapshot. This device is logged as well, and COMMAND
   writes to it through the path in DMSNAPCTL_UPPER. Both logs get a mark every
   second, and one at the end. COMMAND leaves the stack alone: this program removes
   all mapped devices on DMSNAPCTL_DEVICE in the end, also if something failed.

   If this program is killed, COMMAND gets SIGTERM, and "dmsnapctl recover" removes
   the device; remove what COMMAND or --setup built on it first.

EXAMPLES:
   dmsnapctl crash record --device /dev/vdb --log /dev/vdc --yes -- ./workload
   dmsnapctl crash record --device /dev/vdb --log /dev/vdc --upper /dev/sdb \
      --setup ./stack --yes -- ./upper-workload
   dmsnapctl crash record --device /dev/vdb --log /dev/vdc --dry-run \
      -- ./workload`

func crashRecordCommand() *cli.Command {
	return &cli.Command{
		Name:        "record",
		Usage:       "log every write of a workload to a device",
		ArgsUsage:   "-- COMMAND [ARGUMENTS]",
		Description: crashRecordHelp,
		Flags: planFlags(
			&cli.StringFlag{Name: "device", Usage: "the `DEVICE` to log, for the origin and COW stores"},
			&cli.StringFlag{Name: "log", Usage: "the `DEVICE` for the log; its content is lost"},
			&cli.StringFlag{Name: "mark", Usage: "start the log with the mark `TEXT`"},
			&cli.StringFlag{Name: "setup", Usage: "`CMD` builds the stack and prints the device in it to log for --upper"},
			&cli.StringFlag{Name: "upper", Usage: "the `DEVICE` for the log of a device in the stack; its content is lost"},
		),
		Action: withArgs("COMMAND [ARGUMENTS...]", byName(runCrashRecord)),
	}
}

// recordJSON is the result as JSON.
type recordJSON struct {
	Schema      string           `json:"schema"`
	Device      string           `json:"device"`
	Log         string           `json:"log"`
	Entries     int              `json:"entries"`
	LogBytes    int64            `json:"log_bytes"`
	LogFull     bool             `json:"log_full"`
	CommandExit int              `json:"command_exit"`
	Upper       *recordUpperJSON `json:"upper"`
}

// recordUpperJSON is the second log.
type recordUpperJSON struct {
	Device   string `json:"device"`
	Log      string `json:"log"`
	Entries  int    `json:"entries"`
	LogBytes int64  `json:"log_bytes"`
	LogFull  bool   `json:"log_full"`
	Marks    int    `json:"marks"` // set by the program itself
}

func runCrashRecord(c *cli.Context) error {
	request, err := recordRequest(c)
	if err != nil {
		return err
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		return record(c, o, ctl, request)
	})(c)
}

// recordRequest reads the command line.
func recordRequest(c *cli.Context) (r dmctl.RecordRequest, err error) {
	if err := needFlags(c, "device", "log"); err != nil {
		return r, err
	}
	for _, flag := range []string{"setup", "upper"} {
		if c.IsSet(flag) && strings.TrimSpace(c.String(flag)) == "" { // an unset variable of a script
			return r, usagef("crash record: --%s is empty", flag)
		}
	}
	if c.IsSet("setup") != c.IsSet("upper") {
		return r, usagef("crash record: --setup and --upper go together")
	}
	return dmctl.RecordRequest{Device: c.String("device"), Log: c.String("log"), Mark: c.String("mark"), LogAbove: c.String("upper")}, nil
}

func record(c *cli.Context, o *console, ctl *dmctl.Controller, request dmctl.RecordRequest) error {
	var shown *copyProgress
	request.Progress = func(done, total int64) { shown.update(done, total) }
	var recording *dmctl.Recording
	make := func() (plan *dmctl.Plan, err error) {
		plan, recording, err = ctl.PlanRecord(c.Context, request)
		return plan, err
	}
	if c.Bool("dry-run") {
		return runPlan(c, o, ctl, []string{request.Device}, make)
	}
	plan, err := make()
	if err != nil {
		return err
	}
	if plan, err = agree(c, o, ctl, plan, make); err != nil {
		return err
	}
	shown = startCopyProgress(o)
	err = ctl.Run(c.Context, plan)
	shown.stop()
	if err != nil {
		return err
	}
	result := recordJSON{Schema: schemaOf(o.command), Device: request.Device, Log: request.Log}
	if request.LogAbove == "" {
		err = recordOne(c, o, recording, &result)
	} else {
		result.Upper = &recordUpperJSON{Log: request.LogAbove}
		err = recordTwo(c, o, ctl, recording, &result)
	}
	if err != nil {
		return err
	}
	return showRecording(o, result, c.Args().First())
}

// recordOne runs COMMAND on a recorded device, and takes the device down.
func recordOne(c *cli.Context, o *console, recording *dmctl.Recording, result *recordJSON) error {
	status, errCommand := runWorkload(c, o, recordedProgram{args: c.Args().Slice(), devices: map[string]string{deviceVariable: recording.Path}})
	done, errFinish := recording.Finish()
	result.CommandExit, result.Entries, result.LogBytes, result.LogFull = status, done.Entries, done.Bytes, done.Full
	return errors.Join(errFinish, errCommand)
}

func showRecording(o *console, r recordJSON, command string) error {
	err := printRecording(o, r)
	upperFull := r.Upper != nil && r.Upper.LogFull
	switch {
	case err != nil:
		return err
	case upperFull:
		o.warnf("%s: the log is full and ends at entry %d: use a larger device", r.Upper.Log, r.Upper.Entries)
	case r.LogFull:
		o.warnf("%s: the log is full and ends at entry %d: use a larger device", r.Log, r.Entries)
	case r.CommandExit != 0:
		o.warnf("%s ended with exit status %d; the log has what it wrote", command, r.CommandExit)
	default:
		return nil
	}
	return exitStatus(exitUnknown)
}

func printRecording(o *console, r recordJSON) error {
	if o.json {
		return o.printJSON(r)
	}
	text := fmt.Sprintf("%s: %s, %s\n", output.Name(r.Log), count.Of(r.Entries, "entry", "entries"), count.Bytes(r.LogBytes))
	if u := r.Upper; u != nil {
		text += fmt.Sprintf("%s: %s, %s, of %s\n", output.Name(u.Log), count.Of(u.Entries, "entry", "entries"), count.Bytes(u.LogBytes), output.Name(u.Device))
	}
	_, err := fmt.Fprint(o.out, text)
	return err
}
