// The command crash record: log every write of a workload.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"time"

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
   start; COMMAND can add others with
      sync; dmsetup message "$DMSNAPCTL_DEVICE" 0 mark frozen
   Always flush before a mark.

   If this program is killed, COMMAND gets SIGTERM, and "dmsnapctl recover" removes
   the device; remove what COMMAND built on it first.

EXAMPLES:
   dmsnapctl crash record --device /dev/vdb --log /dev/vdc --yes -- ./workload
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
		),
		Action: withArgs("COMMAND [ARGUMENTS...]", byName(withController(runCrashRecord))),
	}
}

// recordJSON is the result as JSON.
type recordJSON struct {
	Schema      string `json:"schema"`
	Device      string `json:"device"`
	Log         string `json:"log"`
	Entries     int    `json:"entries"`
	LogBytes    uint64 `json:"log_bytes"`
	LogFull     bool   `json:"log_full"`
	CommandExit int    `json:"command_exit"`
}

func runCrashRecord(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	if err := needFlags(c, "device", "log"); err != nil {
		return err
	}
	request := dmctl.RecordRequest{Device: c.String("device"), Log: c.String("log"), Mark: c.String("mark")}
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
	status, errCommand := runWorkload(c, o, recording.Path)
	done, errFinish := recording.Finish()
	if err := errors.Join(errFinish, errCommand); err != nil {
		return err
	}
	result := recordJSON{
		Schema: schemaOf(o.command), Device: request.Device, Log: request.Log,
		Entries: done.Entries, LogBytes: done.Bytes, LogFull: done.Full, CommandExit: status,
	}
	return showRecording(o, result, c.Args().First())
}

// workloadGrace is how long an interrupted COMMAND may take to end.
const workloadGrace = 10 * time.Second

// runWorkload runs COMMAND and returns its exit status. An interrupt ends
// COMMAND only.
func runWorkload(c *cli.Context, o *console, device string) (int, error) {
	args := c.Args().Slice()
	cmd := exec.CommandContext(c.Context, args[0], args[1:]...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.Env = append(os.Environ(), "DMSNAPCTL_DEVICE="+device)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, output.Raw(o.out), ownFile(o.err)
	if o.json {
		cmd.Stdout = cmd.Stderr // stdout is for the one object
	}
	cmd.WaitDelay = workloadGrace
	endWithParent(cmd)
	runtime.LockOSThread() // the end of this thread counts as the end of the parent
	defer runtime.UnlockOSThread()
	held, err := os.Open(device) // so that recover does not take it for a killed run's
	if err != nil {
		return 0, err
	}
	err = errors.Join(cmd.Run(), held.Close())
	var exit *exec.ExitError
	switch {
	case c.Context.Err() != nil:
		return 0, fmt.Errorf("%s: %w", args[0], context.Cause(c.Context))
	case errors.As(err, &exit):
		return exit.ExitCode(), nil
	default:
		return 0, err
	}
}

func showRecording(o *console, r recordJSON, command string) error {
	var err error
	if o.json {
		err = o.printJSON(r)
	} else {
		_, err = fmt.Fprintf(o.out, "%s: %s, %s\n", output.Name(r.Log), count.Of(r.Entries, "entry", "entries"), count.Bytes(r.LogBytes))
	}
	switch {
	case err != nil:
		return err
	case r.LogFull:
		o.warnf("%s: the log is full and ends at entry %d: use a larger device", r.Log, r.Entries)
	case r.CommandExit != 0:
		o.warnf("%s ended with exit status %d; the log has what it wrote", command, r.CommandExit)
	default:
		return nil
	}
	return exitStatus(exitUnknown)
}
