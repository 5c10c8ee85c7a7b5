// The command merge: the origin goes back to a snapshot's content.

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const mergeHelp = `   Takes the origin back to the content of the snapshot NAME: the origin when the
   snapshot was made, plus what was written to the snapshot since. Afterwards the
   snapshot is gone, its store is empty, and the origin is as before create.
   Writes to the origin during the merge are kept.

   Run merge again to continue one that was interrupted or stopped at an I/O
   error.

EXAMPLES:
   dmsnapctl merge snap --dry-run
   dmsnapctl merge snap --yes
   dmsnapctl merge snap --background --yes; dmsnapctl status snap`

func mergeCommand() *cli.Command {
	return &cli.Command{
		Name:        "merge",
		Usage:       "take an origin back to a snapshot's content",
		ArgsUsage:   "NAME",
		Category:    categoryControl,
		Description: mergeHelp,
		Flags: planFlags(
			&cli.BoolFlag{Name: "background", Usage: "start the merge and let another process finish it"},
			&cli.BoolFlag{Name: "origin-unchanged", Usage: "nothing was written to the origin while the store was inactive"},
			&cli.BoolFlag{Name: "force", Usage: "merge into an origin that is mounted or held"},
		),
		Action: withArgs("NAME", withController(runMerge)),
	}
}

func runMerge(c *cli.Context, o *console, ctl *dmctl.Controller) error {
	request := dmctl.MergeRequest{Name: c.Args().First(), OriginUnchanged: c.Bool("origin-unchanged"), Force: c.Bool("force")}
	make := func() (*dmctl.Plan, error) { return ctl.PlanMerge(c.Context, request) }
	if c.Bool("dry-run") {
		return runPlan(c, o, ctl, []string{request.Name}, make)
	}
	plan, err := make()
	if err != nil {
		return err
	}
	if plan, err = agree(c, o, ctl, plan, make); err != nil {
		return err
	}
	if err := ctl.Run(c.Context, plan); err != nil {
		return err
	}
	if err := finishMerge(c, o, ctl, request.Name, plan); err != nil {
		return err
	}
	if o.json {
		return o.printJSON(planJSON{Schema: schemaOf(o.command), Name: dmctl.MappedName(request.Name), Steps: plan.Steps(), Notes: notesOf(plan)})
	}
	ended := "done"
	if c.Bool("background") {
		ended = "started; `dmsnapctl status` shows its progress"
	}
	_, err = fmt.Fprintf(o.out, "%s: %s\n", output.Name(plan.Title), ended)
	return err
}

func finishMerge(c *cli.Context, o *console, ctl *dmctl.Controller, name string, plan *dmctl.Plan) error {
	if c.Bool("background") {
		return finishInBackground(name)
	}
	err := ctl.FinishMerge(c.Context, plan, mergeProgress(o))
	if errors.Is(err, dmctl.ErrMergeFailed) || errors.Is(err, dmctl.ErrMergeInvalid) {
		o.warnf("%s", explained(err))
		return exitStatus(exitCritical)
	}
	return err
}

// mergeProgress says how much is left to merge, if progress is wanted.
func mergeProgress(o *console) func(dmctl.Snapshot) {
	if !o.progress {
		return nil
	}
	return func(s dmctl.Snapshot) {
		_, _ = fmt.Fprintf(o.err, "dmsnapctl: %s: %s left to merge\n", output.Name(s.Name), inBytes(s.Allocated-min(s.Metadata, s.Allocated)))
	}
}

// finishInBackground starts this program again, detached, to wait for the merge.
func finishInBackground(name string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("the merge has begun, but nothing waits for it: %w", err)
	}
	waiter := exec.Command(self, "--quiet", "merge", "--yes", name)
	detach(waiter)
	if err := waiter.Start(); err != nil {
		return fmt.Errorf("the merge has begun, but nothing waits for it: %w", err)
	}
	return waiter.Process.Release()
}
