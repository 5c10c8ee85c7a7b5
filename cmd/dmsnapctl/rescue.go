// The command rescue: diagnose a store, and repair it or extract its image by
// commands that can also be run one by one.

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
)

const rescueHelp = `   Says what is wrong with a store, and which commands bring its snapshot back.
   --yes runs them. An invalidated store is made valid only if the origin cannot
   have changed: it is a read-only device, or --origin-unchanged asserts it.
   Otherwise -o extracts what is certain. --activate NAME activates the snapshot
   at the end.

EXAMPLES:
   dmsnapctl rescue overlay.img --origin base.img --origin-unchanged \
      --grow-by 1G
   dmsnapctl rescue cow.img --origin disk.img -o image --yes`

func rescueCommand(run runner) *cli.Command {
	return &cli.Command{
		Name: "rescue", Usage: "bring back the snapshot of a broken store", ArgsUsage: "STORE", Category: categoryTools, Description: rescueHelp,
		Flags: planFlags(
			&cli.StringFlag{Name: "origin", Usage: "the origin's `DEVICE` or file"},
			&cli.StringFlag{Name: "grow-by", Usage: "make the store's file larger by `SIZE`"},
			&cli.BoolFlag{Name: "origin-unchanged", Usage: "the origin has not been written to since"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "extract the image into `FILE`"},
			&cli.StringFlag{Name: "activate", Usage: "activate the snapshot as `NAME`"},
		),
		Action: withArgs("STORE", byName(func(c *cli.Context) error { return runRescue(c, run) })),
	}
}

// rescueStep is a command of the plan.
type rescueStep struct {
	args []string
	why  string
	fine int // the highest exit code that lets the plan go on
}

func (s rescueStep) String() string { return "dmsnapctl " + strings.Join(s.args, " ") }

// rescueJSON is the result as JSON.
type rescueJSON struct {
	Schema  string         `json:"schema"`
	Name    string         `json:"name"`
	Verdict verify.Verdict `json:"verdict"`
	Wrong   []string       `json:"wrong"`
	DryRun  bool           `json:"dry_run"`
	Steps   []string       `json:"steps"`
	Notes   []string       `json:"notes"`
}

func runRescue(c *cli.Context, run runner) error {
	o := outputOf(c)
	if err := needFlags(c, "origin"); err != nil {
		return err
	}
	if c.IsSet("output") && c.IsSet("activate") {
		return usagef("rescue: -o and --activate exclude each other")
	}
	path := storeArg(c, 0)
	origin, readOnly, err := rescueOrigin(c.String("origin"))
	if err != nil {
		return err
	}
	report, err := judgeStore(c.Context, o, path, verify.Options{OriginBytes: origin})
	if err != nil {
		return fmt.Errorf("rescue %s: %w", path, err)
	}
	r := rescueJSON{Schema: schemaOf(o.command), Name: path, Verdict: report.Verdict, Wrong: []string{}, Notes: []string{}, Steps: []string{}}
	for _, f := range report.Findings {
		if f.Severity != verify.Info && len(r.Wrong) < 10 {
			r.Wrong = append(r.Wrong, f.Message)
		}
	}
	steps, stays := rescueSteps(c, report.Report, readOnly, &r)
	for _, s := range steps {
		r.Steps = append(r.Steps, s.String())
	}
	// Without --yes it only shows the plan.
	r.DryRun = c.Bool("dry-run") || !c.Bool("yes")
	if err := r.print(o, steps); err != nil {
		return err
	}
	if r.DryRun || stays != exitFine && len(steps) == 0 {
		if stays != exitFine {
			return exitStatus(stays)
		}
		return nil
	}
	return runSteps(c.Context, run, o, steps)
}

// rescueOrigin is the origin's size, and whether the kernel refuses writes to
// it.
func rescueOrigin(path string) (bytes int64, readOnly bool, err error) {
	f, err := blockdev.Open(path)
	if err != nil {
		return 0, false, fmt.Errorf("the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	return f.Size(), isReadOnly(f), f.Close()
}

// rescueSteps are the commands that help, and the exit code if none does.
func rescueSteps(c *cli.Context, report *verify.Report, readOnly bool, r *rescueJSON) (steps []rescueStep, stays int) {
	path, origin := storeArg(c, 0), c.String("origin")
	certain := true
	switch report.Verdict {
	case verify.Unrecognized:
		steps = append(steps, rescueStep{[]string{"repair", path, "--yes"}, "rebuild the header from the areas", exitFine})
	case verify.Stale, verify.Leaked: // a store can be both
		if report.Counts[verify.StaleRecord] > 0 {
			steps = append(steps, rescueStep{[]string{"repair", path, "--yes"}, "clear the records after the end of the list", exitFine})
		}
	case verify.Corrupt:
		steps = append(steps, rescueStep{[]string{"repair", path, "--assume-canonical", "--origin", origin, "--yes"}, "repair what is certain", exitFine})
	case verify.Invalid:
		certain = c.Bool("origin-unchanged") || readOnly
		if !certain {
			r.Notes = append(r.Notes, "the origin may have changed since the snapshot was invalidated: only copied chunks are certain; add --origin-unchanged if nothing was written to it")
			break
		}
		args := []string{"revalidate", path, "--origin-unchanged"}
		if c.IsSet("grow-by") {
			args = append(args, "--grow-by", c.String("grow-by"))
		}
		steps = append(steps, rescueStep{append(args, "--yes"), "the origin is unchanged: make the store valid again", exitFine})
	}
	if certain && len(steps) > 0 {
		steps = append(steps, rescueStep{[]string{"verify", path, "--origin", origin}, "check that the store is sound", exitWarning})
	}
	switch {
	case c.IsSet("output"):
		args := []string{"extract", path, "--origin", origin, "-o", c.String("output")}
		if !certain {
			args = append(args, "--best-effort")
		}
		steps = append(steps, rescueStep{args, "extract the snapshot's image", exitFine})
	case c.IsSet("activate") && certain:
		steps = append(steps, rescueStep{[]string{"activate", c.String("activate"), "--origin", origin, "--cow", path, "--yes"}, "activate the snapshot", exitFine})
	}
	if !certain && len(steps) == 0 {
		r.Notes = append(r.Notes, "-o FILE extracts what is left")
		return steps, exitCritical
	}
	return steps, exitFine
}

func (r rescueJSON) print(o *console, steps []rescueStep) error {
	if o.json {
		return o.printJSON(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s\n", output.Name(r.Name), r.Verdict)
	for _, w := range r.Wrong {
		fmt.Fprintf(&b, "  %s\n", output.Name(w))
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", output.Name(n))
	}
	switch {
	case len(steps) == 0 && len(r.Notes) == 0:
		b.WriteString("nothing to rescue\n")
	case r.DryRun:
		for _, s := range steps {
			fmt.Fprintf(&b, "next: %s   # %s\n", output.Name(s.String()), output.Name(s.why))
		}
	}
	_, err := fmt.Fprint(o.out, b.String())
	return err
}

// runSteps runs the commands in order until one fails.
func runSteps(ctx context.Context, run runner, o *console, steps []rescueStep) error {
	for _, s := range steps {
		o.warnf("rescue: %s", s)
		std := streams{in: strings.NewReader(""), out: o.out, err: o.err}
		if o.json {
			std.out = o.err // stdout has the one object
		}
		if code := run(ctx, append([]string{"dmsnapctl"}, s.args...), std); code > s.fine {
			return exitStatus(code)
		}
	}
	return nil
}
