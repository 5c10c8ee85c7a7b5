// The command with-snapshot: a snapshot for as long as a command runs.

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify/shellstatus"
)

const withSnapshotHelp = `   Takes a snapshot of the origin, mounts it read-only at DIR, runs COMMAND, and
   in any case unmounts and removes the snapshot. COMMAND finds the snapshot's
   device in DMSNAPCTL_SNAPSHOT, and DIR in DMSNAPCTL_MOUNT. Without --mount
   nothing is mounted.

   For a logical volume, LVM makes the snapshot in the volume group. For any other
   device, changes go to an unnamed file in --store-dir, which must not be on the
   origin, or to the device --cow, which must be blank and is blank again
   afterwards. A plain block device must not be in use. A mapped device may be
   mounted: its file system is frozen while the snapshot is made.

   Signals are passed on to COMMAND. If this program is killed, COMMAND gets
   SIGTERM, and "dmsnapctl recover" cleans up.

EXAMPLES:
   dmsnapctl with-snapshot --origin vg/home --mount /mnt/snapshot -- \
      restic backup /mnt/snapshot
   dmsnapctl with-snapshot --origin vg/home --size 10G --mount /mnt/snap -- \
      borg create /backup::home-{now} /mnt/snap
   dmsnapctl with-snapshot --origin /dev/mapper/data --cow /dev/vdc -- \
      sh -c 'qemu-img convert -O qcow2 "$DMSNAPCTL_SNAPSHOT" /backup/data'`

func withSnapshotCommand() *cli.Command {
	return &cli.Command{
		Name: "with-snapshot", Usage: "run a command with a temporary snapshot", ArgsUsage: "-- COMMAND [ARGUMENTS]",
		Category: categoryControl, Description: withSnapshotHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "origin", Usage: "the `DEVICE` to take a snapshot of, or VG/LV"},
			&cli.StringFlag{Name: "cow", Usage: "keep changes on the blank `DEVICE`; not for a logical volume"},
			&cli.StringFlag{Name: "store-dir", Value: defaultStoreDir, Usage: "keep changes in a file in `DIR`; not for a logical volume"},
			&cli.StringFlag{Name: "size", Usage: "room for changes: a `SIZE`, or a percentage of the origin (default: everything; 20% for a logical volume)"},
			&cli.StringFlag{Name: "mount", Usage: "mount the snapshot read-only at the existing `DIR`"},
			&cli.BoolFlag{Name: "force", Usage: "override refusals: use a COW device even if it contains data"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print the steps, and do nothing"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "no effect: this command never asks"},
		},
		Action: withArgs("COMMAND [ARGUMENTS...]", runWithSnapshot),
	}
}

// defaultStoreDir is for large temporary files.
const defaultStoreDir = "/var/tmp"

// withSnapshotJSON is the result for machines.
type withSnapshotJSON struct {
	Schema      string `json:"schema"`
	Origin      string `json:"origin"`
	Snapshot    string `json:"snapshot"`
	Mount       string `json:"mount"`
	CommandExit int    `json:"command_exit"`
	Lost        bool   `json:"lost"`
}

func runWithSnapshot(c *cli.Context) error {
	request, err := withRequest(c)
	if err != nil {
		return err
	}
	return withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
		var with *dmctl.With
		make := func() (plan *dmctl.Plan, err error) {
			plan, with, err = ctl.PlanWith(c.Context, request)
			return plan, err
		}
		if c.Bool("dry-run") {
			return runPlan(c, o, ctl, []string{request.Origin}, make)
		}
		plan, err := make()
		if err != nil {
			return err
		}
		for _, note := range plan.Notes {
			o.warnf("note: %s", noteText(note))
		}
		if err := ctl.Run(c.Context, plan); err != nil {
			return err
		}
		return duringSnapshot(c, o, with)
	})(c)
}

// withRequest reads the command line.
func withRequest(c *cli.Context) (r dmctl.WithRequest, err error) {
	if err := needFlags(c, "origin"); err != nil {
		return r, err
	}
	for _, name := range []string{"cow", "store-dir", "size", "mount"} {
		if c.IsSet(name) && c.String(name) == "" { // an unset variable of a script
			return r, usagef("with-snapshot: --%s is empty", name)
		}
	}
	r = dmctl.WithRequest{Origin: c.String("origin"), COW: deviceNamed(c.String("cow")), Force: c.Bool("force")}
	switch {
	case r.COW == "":
		r.StoreDir = c.String("store-dir")
	case c.IsSet("store-dir"):
		return r, usagef("with-snapshot: --cow and --store-dir are two places; name one of them")
	}
	if r.Bytes, r.Percent, err = withSize(c.String("size")); err != nil || !c.IsSet("mount") {
		return r, err
	}
	// In the form of the kernel's mount table.
	if r.Mount, err = filepath.Abs(c.String("mount")); err == nil {
		r.Mount, err = filepath.EvalSymlinks(r.Mount)
	}
	if err != nil {
		return r, fmt.Errorf("--mount: %w", err)
	}
	if info, err := os.Stat(r.Mount); err != nil || !info.IsDir() {
		return r, errors.Join(fmt.Errorf("--mount %s: not a directory", r.Mount), err)
	}
	return r, nil
}

// withSize reads --size: how much may change.
func withSize(s string) (bytes int64, percent int, err error) {
	if s == "" {
		return 0, 0, nil
	}
	if digits, is := strings.CutSuffix(s, "%"); is {
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil || n == 0 || n > 100 {
			return 0, 0, usagef("with-snapshot: --size %s: want a percentage from 1 to 100", s)
		}
		return 0, int(n), nil
	}
	n, err := parseSize(s)
	if err == nil && (n == 0 || n > 1<<62) {
		err = fmt.Errorf("%s is zero or too large", s)
	}
	if err != nil {
		return 0, 0, usagef("with-snapshot: --size: %v", err)
	}
	return int64(n), 0, nil
}

// duringSnapshot runs COMMAND, and then removes the snapshot in any case.
func duringSnapshot(c *cli.Context, o *console, with *dmctl.With) error {
	status, errCommand := runBesides(c, o, with)
	errLost := with.Lost(context.WithoutCancel(c.Context))
	if err := with.End(); err != nil {
		return errors.Join(err, errLost, errCommand)
	}
	if errCommand != nil && status == 0 { // it never ran, or nobody knows how it ended
		return errCommand
	}
	for _, err := range []error{errCommand, errLost} {
		if err != nil {
			o.warnf("%s", explained(err))
		}
	}
	if o.json {
		if err := o.printJSON(withSnapshotJSON{
			Schema: schemaOf(o.command), Origin: c.String("origin"), Snapshot: with.Path, Mount: with.Mount, CommandExit: status, Lost: errLost != nil,
		}); err != nil {
			return err
		}
	}
	switch {
	case errLost != nil:
		return exitStatus(exitUnknown)
	case status != 0:
		return exitStatus(status)
	}
	return nil
}

// runBesides runs COMMAND and waits for it without a limit. Signals are passed
// on to COMMAND, which decides what they mean.
func runBesides(c *cli.Context, o *console, with *dmctl.With) (status int, err error) {
	args := c.Args().Slice()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DMSNAPCTL_SNAPSHOT="+with.Path)
	if with.Mount != "" {
		cmd.Env = append(cmd.Env, "DMSNAPCTL_MOUNT="+with.Mount)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, ownFile(o.out), ownFile(o.err)
	if o.json {
		cmd.Stdout = cmd.Stderr // stdout is for the one object
	}
	endWithParent(cmd)
	runtime.LockOSThread() // the end of this thread counts as the end of the parent
	defer runtime.UnlockOSThread()
	signals := listen(c.Context)
	defer signals.stop()
	if err := c.Context.Err(); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return shellstatus.NotFound, err
		}
		return shellstatus.NotExecutable, err
	}
	go signals.passTo(cmd.Process)
	err = cmd.Wait()
	exit, failed := errors.AsType[*exec.ExitError](err)
	switch {
	case err == nil:
		return 0, nil
	case !failed:
		return 0, err
	}
	if signal := endedBy(exit); signal != 0 {
		return shellstatus.BySignal(signal), fmt.Errorf("%s: %w", output.Name(args[0]), err)
	}
	return exit.ExitCode(), nil
}
