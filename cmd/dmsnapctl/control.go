// What the commands of the controller share: opening it, asking before a change,
// and running a plan.

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

// planFlags are the flags of every command that changes something.
func planFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.BoolFlag{Name: "dry-run", Usage: "print the steps, and do nothing"},
		&cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask"},
	)
}

// openController opens device mapper; tests replace it.
var openController = dmctl.Open

// withController runs action with an open controller.
func withController(action func(c *cli.Context, o *console, ctl *dmctl.Controller) error) cli.ActionFunc {
	return func(c *cli.Context) error {
		ctl, err := openController()
		if err != nil {
			return err
		}
		defer ctl.Close() // only read from; there is nothing to lose
		return action(c, outputOf(c), ctl)
	}
}

// planJSON is the result of a command that changes something.
type planJSON struct {
	Schema string   `json:"schema"`
	Name   string   `json:"name"`
	Names  []string `json:"names,omitempty"` // if there are several
	DryRun bool     `json:"dry_run"`
	Steps  []string `json:"steps"`
	Notes  []string `json:"notes"`
	// Failed lists the names that failed and were undone; the others are done.
	Failed []failedJSON `json:"failed,omitempty"`
}

type failedJSON struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// planner makes a plan for the machine's present state.
type planner func() (*dmctl.Plan, error)

// runPlan prints a plan about names, or asks and runs it, as the flags say.
func runPlan(c *cli.Context, o *console, ctl *dmctl.Controller, names []string, make planner) error {
	plan, err := make()
	if err != nil {
		return err
	}
	dry := c.Bool("dry-run")
	var failed *dmctl.PartErrors
	if !dry {
		if plan, err = agree(c, o, ctl, plan, make); err != nil {
			return err
		}
		err = ctl.Run(c.Context, plan)
		if errors.As(err, &failed) && len(names) > 1 {
			for _, part := range failed.Failed {
				o.warnf("%s", explained(part))
			}
		} else if err != nil {
			return err
		}
	}
	if err := printPlan(o, plan, names, dry, failed); err != nil {
		if dry || failed != nil {
			return err
		}
		return showing(plan.Title+": done", err)
	}
	return failedPlan(err)
}

// failedPlan is the exit status after an error that was printed.
func failedPlan(err error) error {
	if err == nil {
		return nil
	}
	return exitStatus(exitCodeOf(err))
}

func printPlan(o *console, plan *dmctl.Plan, names []string, dry bool, failed *dmctl.PartErrors) (err error) {
	switch {
	case o.json:
		return o.printJSON(planForMachines(o, plan, names, dry, failed))
	case dry:
		_, err = fmt.Fprint(o.out, planText(plan))
	default:
		for _, note := range plan.Notes {
			o.warnf("note: %s", noteText(note))
		}
		ended := "done"
		switch {
		case failed != nil:
			ended = fmt.Sprintf("%d of %d done", failed.Of-len(failed.Failed), failed.Of)
		case len(plan.Steps()) == 0:
			ended = "there was nothing to do"
		}
		_, err = fmt.Fprintf(o.out, "%s: %s\n", output.Name(plan.Title), ended)
	}
	return err
}

func planForMachines(o *console, plan *dmctl.Plan, names []string, dry bool, failed *dmctl.PartErrors) planJSON {
	out := planJSON{Schema: schemaOf(o.command), DryRun: dry, Steps: plan.Steps(), Notes: notesOf(plan)}
	for _, n := range names {
		out.Names = append(out.Names, dmctl.MappedName(n))
	}
	if len(names) == 1 {
		out.Name, out.Names = out.Names[0], nil
	}
	if failed != nil {
		for _, part := range failed.Failed {
			out.Failed = append(out.Failed, failedJSON{part.Name, explained(part)})
		}
	}
	return out
}

// agree asks, and returns the plan that was agreed to. The machine may change
// while the user decides: the plan is made again after the answer, and if it
// differs, the user is asked again.
func agree(c *cli.Context, o *console, ctl *dmctl.Controller, plan *dmctl.Plan, make planner) (*dmctl.Plan, error) {
	if c.Bool("yes") {
		return plan, nil
	}
	for {
		ctl.Release()
		if err := confirm(c, o, plan); err != nil {
			return nil, err
		}
		again, err := make()
		if err != nil {
			return nil, err
		}
		if planText(again) == planText(plan) {
			return again, nil
		}
		o.warnf("%s: the machine has changed meanwhile; this is the new plan", o.command)
		plan = again
	}
}

// confirm asks on a terminal, and needs --yes elsewhere.
func confirm(c *cli.Context, o *console, plan *dmctl.Plan) error {
	return confirmText(c, o, planText(plan))
}

// confirmText is confirm for any plan in words.
func confirmText(c *cli.Context, o *console, plan string) error {
	if !output.IsTerminal(c.App.Reader) {
		return usagef("%s: add --yes to do it, or --dry-run to see the steps", o.command)
	}
	if _, err := fmt.Fprintf(o.err, "%sDo it? [y/N] ", plan); err != nil {
		return err
	}
	var answer string
	err := interruptible(c.Context, func() (err error) {
		answer, err = bufio.NewReader(c.App.Reader).ReadString('\n')
		return err
	})
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: interrupted; nothing was changed: %w", o.command, err)
	}
	if a := strings.ToLower(strings.TrimSpace(answer)); a == "y" || a == "yes" {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: nothing was changed: no answer: %w", o.command, err)
	}
	return fmt.Errorf("%s: nothing was changed: the answer was no", o.command)
}

// planCommand is a command that runs one plan and has no flags of its own.
func planCommand(name, usage, args, help string, plan func(*cli.Context, *dmctl.Controller) (*dmctl.Plan, error)) *cli.Command {
	return &cli.Command{
		Name:        name,
		Usage:       usage,
		ArgsUsage:   args,
		Category:    categoryControl,
		Description: help,
		Flags:       planFlags(),
		Action: withArgs(args, withController(func(c *cli.Context, o *console, ctl *dmctl.Controller) error {
			return runPlan(c, o, ctl, c.Args().Slice()[:min(1, c.NArg())], func() (*dmctl.Plan, error) { return plan(c, ctl) })
		})),
	}
}

// planText is a plan as text: its steps and notes.
func planText(p *dmctl.Plan) string {
	return stepsText(p.Title, p.Steps(), notesOf(p))
}

// stepsText is any plan as text, a line for each step and note.
func stepsText(title string, steps, notes []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", output.Name(title))
	for i, step := range steps {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, output.Name(step))
	}
	if len(steps) == 0 {
		b.WriteString("     nothing to do\n")
	}
	for _, note := range notes {
		fmt.Fprintf(&b, "note: %s\n", output.Name(note))
	}
	return b.String()
}

func notesOf(p *dmctl.Plan) []string {
	notes := []string{}
	for _, note := range p.Notes {
		notes = append(notes, noteText(note))
	}
	return notes
}
