// The command with-snapshot: a snapshot for as long as a command runs.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const withSnapshotHelp = `   Takes a snapshot of the origin, mounts it read-only at DIR, runs COMMAND,
   unmounts the snapshot and removes it, whatever happens. COMMAND finds the
   snapshot's device in DMSNAPCTL_SNAPSHOT, and DIR in DMSNAPCTL_MOUNT. Without
   --mount nothing is mounted.

   Of a logical volume LVM makes the snapshot, in the volume group. What changes
   on any other device goes to a file without a name in the directory --store-dir,
   which must not lie on the origin, or to the device --cow, which has to be blank,
   and is blank again in the end. A plain block device can have a snapshot only
   where nobody uses it; a mapped one while it is mounted, at a moment at which its
   file system is whole.

   Signals go on to COMMAND. Should this program be killed, COMMAND is sent SIGTERM,
   and "dmsnapctl recover" clears up.

EXAMPLES:
   dmsnapctl with-snapshot --origin vg/home --mount /mnt/snapshot -- \
      restic backup /mnt/snapshot
   dmsnapctl with-snapshot --origin vg/home --size 10G --mount /mnt/snap -- \
      borg create /backup::home-{now} /mnt/snap
   dmsnapctl with-snapshot --origin /dev/mapper/data --cow /dev/vdc -- \
      sh -c 'qemu-img convert -O qcow2 "$DMSNAPCTL_SNAPSHOT" /backup/data.qcow2'`

func withSnapshotCommand() *cli.Command {
	return &cli.Command{
		Name: "with-snapshot", Usage: "run a command with a snapshot that ends with it", ArgsUsage: "-- COMMAND [ARGUMENTS]",
		Category: categoryControl, Description: withSnapshotHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "origin", Usage: "the `DEVICE` to take a snapshot of, or VG/LV"},
			&cli.StringFlag{Name: "cow", Usage: "the blank `DEVICE` that keeps what changes meanwhile; not for a logical volume"},
			&cli.StringFlag{Name: "store-dir", Value: defaultStoreDir, Usage: "the `DIR` for a file that keeps what changes meanwhile; not for a logical volume"},
			&cli.StringFlag{Name: "size", Usage: "how much may change meanwhile: a `SIZE`, or a percentage of the origin (default: everything; of a logical volume 20%)"},
			&cli.StringFlag{Name: "mount", Usage: "mount the snapshot read-only at `DIR`, which exists"},
			&cli.BoolFlag{Name: "force", Usage: "use a COW device that carries something, and the like"},
			&cli.BoolFlag{Name: "dry-run", Usage: "print what would be done, step by step, and do nothing"},
			&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "nothing: this command does not ask"},
		},
		Action: withArgs("COMMAND [ARGUMENTS...]", runWithSnapshot),
	}
}

// defaultStoreDir is for large files that may go.
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
	r = dmctl.WithRequest{Origin: c.String("origin"), COW: c.String("cow"), Force: c.Bool("force")}
	switch {
	case r.COW == "":
		r.StoreDir = c.String("store-dir")
	case c.IsSet("store-dir"):
		return r, usagef("with-snapshot: --cow and --store-dir are two places; name one of them")
	}
	if r.Bytes, r.Percent, err = withSize(c.String("size")); err != nil || !c.IsSet("mount") {
		return r, err
	}
	// As the kernel's table of mounts has it.
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

// withSize is how much may change meanwhile.
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
		err = fmt.Errorf("%s is nothing, or too much", s)
	}
	if err != nil {
		return 0, 0, usagef("with-snapshot: --size: %v", err)
	}
	return int64(n), 0, nil
}

// duringSnapshot runs COMMAND, and takes the snapshot away whatever becomes of
// it.
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

// The exit codes of a shell for a command that it cannot run.
const (
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignal        = 128 // and the signal's number
)

// runBesides runs COMMAND beside a snapshot. It is waited for however long it
// takes: signals go on to it, and it decides what they mean.
func runBesides(c *cli.Context, o *console, with *dmctl.With) (status int, err error) {
	args := c.Args().Slice()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "DMSNAPCTL_SNAPSHOT="+with.Path)
	if with.Mount != "" {
		cmd.Env = append(cmd.Env, "DMSNAPCTL_MOUNT="+with.Mount)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.App.Reader, ownFile(o.out), o.err
	if o.json {
		cmd.Stdout = o.err // stdout has the one object
	}
	endWithParent(cmd)
	runtime.LockOSThread() // the kernel takes the end of this thread for the parent's
	defer runtime.UnlockOSThread()
	signals := listen(c.Context)
	defer signals.stop()
	if err := c.Context.Err(); err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
			return exitNotFound, err
		}
		return exitNotExecutable, err
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
		return exitSignal + signal, fmt.Errorf("%s: %w", output.Name(args[0]), err)
	}
	return exit.ExitCode(), nil
}

// ownFile is the file behind a stream, which a command then has as its own: it
// sees a terminal, and nobody waits for what it leaves running behind it.
func ownFile(w io.Writer) io.Writer {
	if f, ok := output.FileOf(w); ok {
		return f
	}
	return w
}
