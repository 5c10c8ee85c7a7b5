// The command rescue: diagnose a store, and repair it or extract its image by
// commands that can also be run one by one.

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
)

const rescueHelp = `   Says what is wrong with a store, and which commands bring its snapshot back.
   --yes runs them. An invalidated store is made valid only if the origin cannot
   have changed: it is a read-only device, or --origin-unchanged asserts it. So
   is one that lost its header.
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
			&cli.BoolFlag{Name: "assume-canonical", Usage: "derive damaged COW chunk numbers from the layout"},
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
	fine int // the highest exit code with which the plan continues
}

func (s rescueStep) String() string { return shellLine(s.args) }

// rescueJSON is the result as JSON.
type rescueJSON struct {
	Schema  string         `json:"schema"`
	Name    string         `json:"name"`
	Verdict verify.Verdict `json:"verdict"`
	Wrong   []string       `json:"wrong"`
	DryRun  bool           `json:"dry_run"`
	Steps   []string       `json:"steps"`
	Notes   []string       `json:"notes"`
	// Advice is other rescues, of a store that is not to be brought back with
	// certainty.
	Advice []advice `json:"advice"`

	leaked uint64 // chunks
}

func runRescue(c *cli.Context, run runner) error {
	o := outputOf(c)
	if err := needFlags(c, "origin"); err != nil {
		return err
	}
	if c.IsSet("output") && c.IsSet("activate") {
		return usagef("rescue: -o and --activate exclude each other")
	}
	if c.String("output") == "-" {
		return usagef("rescue: the plan goes to stdout, so the image cannot; name a file with -o, or use 'extract -o -'")
	}
	if _, err := growBy(c, "grow-by"); err != nil {
		return err
	}
	w := rescuing{c: c, o: o, path: storeArg(c, 0), said: rescueJSON{Schema: schemaOf(o.command), Wrong: []string{}, Notes: []string{}, Steps: []string{}, Advice: []advice{}}}
	if err := w.look(); err != nil {
		return fmt.Errorf("rescue %s: %w", w.path, err)
	}
	stays := w.plan()
	for _, s := range w.steps {
		w.said.Steps = append(w.said.Steps, s.String())
	}
	// Without --yes it only shows the plan.
	w.said.DryRun = c.Bool("dry-run") || !c.Bool("yes") || stays == exitUnknown
	if err := w.said.print(o, w.steps); err != nil {
		return err
	}
	if w.said.DryRun || len(w.steps) == 0 {
		if stays != exitFine {
			return exitStatus(stays)
		}
		return nil
	}
	if err := runSteps(c.Context, run, o, w.steps); err != nil || stays == exitFine {
		return err
	}
	return exitStatus(stays)
}

// rescueOrigin is the origin's size, and whether the kernel refuses writes to
// it.
func rescueOrigin(o *console, path string) (bytes int64, readOnly bool, err error) {
	f, err := o.openInput(path)
	if err != nil {
		return 0, false, fmt.Errorf("the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	return f.Size(), isReadOnly(f), f.Close()
}

// rescuing is one run.
type rescuing struct {
	c        *cli.Context
	o        *console
	path     string
	report   *verify.Report
	user     string // who has the store active, for people; "" for nobody
	snapshot string // which snapshot has it active; "" for none
	isFile   bool   // the store is a file, or a loop device over one
	readOnly bool   // the kernel refuses writes to the origin
	// headerLost says that the areas are there without a header.
	headerLost bool
	steps      []rescueStep
	said       rescueJSON
}

// look judges the store, and finds what it is and who uses it.
func (w *rescuing) look() (err error) {
	origin, readOnly, err := rescueOrigin(w.o, w.c.String("origin"))
	if err != nil {
		return err
	}
	w.readOnly = readOnly
	store, err := openStoreFile(w.c.Context, w.o, w.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.close()) }()
	w.isFile = !store.file.IsBlockDevice() || isLoop(store.file)
	if store.active != nil {
		w.user, w.snapshot = store.active.by, store.active.name
	}
	judged, err := store.judge(w.c.Context, w.o, verify.Options{OriginBytes: origin})
	if err != nil {
		return err
	}
	w.report = judged.Report
	if w.headerLost, err = headerLost(w.c.Context, store, origin, w.report); err != nil {
		return err
	}
	w.said.Name, w.said.Verdict, w.said.leaked = w.path, w.report.Verdict, w.report.Leaks.Chunks
	if w.headerLost && w.report.Verdict == verify.Empty {
		w.said.Wrong = append(w.said.Wrong, "the header is lost: the device looks empty, but has the areas of a store")
	}
	for _, k := range kindsOf(w.report) {
		if verify.SeverityOf(k.code) != verify.Info {
			w.said.Wrong = append(w.said.Wrong, kindText(w.report, k))
		}
	}
	return nil
}

// headerLost reports whether the areas of a store show its chunk size though its
// header does not. It fails if there is no store, or if the areas do not tell.
func headerLost(ctx context.Context, s *storeFile, originBytes int64, r *verify.Report) (bool, error) {
	if r.Usage != nil {
		return false, nil
	}
	_, chunk, err := mend.WithHeader(ctx, s.from, originBytes)
	if err != nil || chunk > 0 || r.Verdict == verify.Empty {
		return chunk > 0, err
	}
	return false, fmt.Errorf("%s, and no areas of a store are found", verdictLine(r))
}

// plan puts the steps and notes of the rescue into words, and returns the exit
// code of what they leave.
func (w *rescuing) plan() (stays int) {
	r := dmctl.PlanRescue(dmctl.RescueRequest{
		Report: w.report, HeaderLost: w.headerLost, InUse: w.user != "", Snapshot: w.snapshot, IsFile: w.isFile,
		OriginUnchanged: w.c.Bool("origin-unchanged") || w.readOnly, Grow: w.c.IsSet("grow-by"),
		AssumeCanonical: w.c.Bool("assume-canonical"), Extract: w.c.IsSet("output"), Activate: w.c.IsSet("activate"),
	})
	for _, s := range r.Steps {
		w.steps = append(w.steps, w.command(s))
	}
	for _, n := range r.Notes {
		w.said.Notes = append(w.said.Notes, w.remark(n))
		if r.Broken {
			w.said.Advice = append(w.said.Advice, w.instead(n)...)
		}
	}
	switch {
	case r.Held:
		return exitUnknown
	case r.Broken:
		return exitCritical
	case r.Full:
		return exitWarning
	}
	return exitFine
}

// command is the command that does a step.
func (w *rescuing) command(s dmctl.RescueStep) rescueStep {
	origin, by := w.c.String("origin"), w.c.String("grow-by")
	switch s {
	case dmctl.RescueHeader:
		return step("rebuild the header from the areas", "repair", argument(w.path), "--yes")
	case dmctl.RescueStale:
		return step("clear the records after the end of the list", "repair", argument(w.path), "--yes")
	case dmctl.RescueDamage:
		return step("repair what the canonical layout shows", "repair", argument(w.path), "--assume-canonical", "--origin", origin, "--yes")
	case dmctl.RescueValid:
		args := []string{"revalidate", argument(w.path), "--origin-unchanged"}
		if w.c.IsSet("grow-by") {
			args = append(args, "--grow-by", by)
		}
		return step("the origin is unchanged: make the store valid again", append(args, "--yes")...)
	case dmctl.RescueLeaks:
		return step("the store is full: free its leaked chunks", "reclaim", argument(w.path), "--yes")
	case dmctl.RescueGrowFile:
		return step("the store is full: enlarge it", "grow", argument(w.path), "--by", by, "--yes")
	case dmctl.RescueGrowActive:
		return step("the store is full: enlarge it", "grow", argumentName(w.snapshot), "--by", by, "--force", "--yes")
	case dmctl.RescueCheck:
		check := step("check that the store is sound", "verify", argument(w.path), "--origin", origin)
		check.fine = exitWarning
		return check
	case dmctl.RescueImage:
		return step("extract the snapshot's image", "extract", argument(w.path), "--origin", origin, "-o", w.c.String("output"))
	case dmctl.RescueUncertainImage:
		return step("extract the snapshot's image", "extract", argument(w.path), "--origin", origin, "-o", w.c.String("output"), "--best-effort")
	default: // dmctl.RescueActivation
		return step("activate the snapshot", "activate", argumentName(w.c.String("activate")), "--origin", origin, "--cow", w.path, "--yes")
	}
}

func step(why string, args ...string) rescueStep { return rescueStep{args, why, exitFine} }

// remark is a note in words.
func (w *rescuing) remark(n dmctl.RescueNote) string {
	switch n {
	case dmctl.RescueOriginMayDiffer:
		return "the origin may have changed since the snapshot was invalidated: only copied chunks are certain; add --origin-unchanged if nothing was written to it"
	case dmctl.RescueImagePossible:
		return "-o FILE extracts what is left"
	case dmctl.RescueAreaMissing:
		return "an area of the list is missing, and what it held is unknown: of what the store has no copy, nothing is certain"
	case dmctl.RescueValidityUnknown:
		return "without its header it is unknown whether the snapshot had been invalidated: only copied chunks are certain; add --origin-unchanged if nothing was written to the origin without being copied"
	case dmctl.RescueLayoutUnknown:
		return "where damaged exceptions have their data is not certain; add --assume-canonical if only kernels without the leak wrote the store"
	case dmctl.RescueMayNotRepair:
		return "where the damage cannot be repaired with certainty, -o FILE extracts what is left"
	case dmctl.RescueFullFile:
		return "the store is full; add --grow-by SIZE to enlarge it"
	case dmctl.RescueFullDevice:
		return "the store is full, and its device is not a file: enlarge it, for example with lvextend"
	case dmctl.RescueGrowthUnused:
		return "--grow-by is not used: no step here needs a larger store; grow --by enlarges the file of a sound one"
	default: // dmctl.RescueHeld
		return fmt.Sprintf("the store is in use by %s: unmount that and remove its device first; for LVM, dmsetup remove takes the device away and leaves the store", w.user)
	}
}

// instead is the rescue that a note speaks of; none for most notes.
func (w *rescuing) instead(n dmctl.RescueNote) []advice {
	asserted := []string{"rescue", argument(w.path), "--origin", w.c.String("origin")}
	for _, name := range []string{"origin-unchanged", "assume-canonical"} {
		if w.c.Bool(name) {
			asserted = append(asserted, "--"+name)
		}
	}
	whole := asserted
	for _, name := range []string{"grow-by", "activate"} {
		if w.c.IsSet(name) {
			whole = append(slices.Clip(whole), "--"+name, w.c.String(name))
		}
	}
	switch n {
	case dmctl.RescueImagePossible:
		return []advice{advise("extract what is certain", append(slices.Clip(asserted), "-o", "FILE", "--yes")...)}
	case dmctl.RescueOriginMayDiffer, dmctl.RescueValidityUnknown:
		return []advice{advise("if nothing was written to the origin since: show how to make the store valid", append(slices.Clip(whole), "--origin-unchanged")...)}
	case dmctl.RescueLayoutUnknown:
		return []advice{advise("if only kernels without the leak wrote the store: show how to repair it", append(slices.Clip(whole), "--assume-canonical")...)}
	}
	return nil
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
	case len(steps) == 0 && len(r.Notes) == 0 && r.leaked > 0:
		fmt.Fprintf(&b, "nothing to rescue; reclaim frees %s\n", count.Of(r.leaked, "leaked chunk"))
	case len(steps) == 0 && len(r.Notes) == 0:
		b.WriteString("nothing to rescue\n")
	case r.DryRun:
		for _, s := range steps {
			fmt.Fprintf(&b, "next: %s   # %s\n", output.Name(s.String()), output.Name(s.why))
		}
	}
	if _, err := fmt.Fprint(o.out, b.String()); err != nil {
		return err
	}
	return printAdvice(o.out, r.Advice)
}

// runSteps runs the commands in order until one fails.
func runSteps(ctx context.Context, run runner, o *console, steps []rescueStep) error {
	for _, s := range steps {
		o.warnf("rescue: %s", s)
		std := streams{in: strings.NewReader(""), out: o.out, err: o.err}
		if o.json {
			std.out = o.err // stdout is for the one object
		}
		if code := run(ctx, append([]string{"dmsnapctl"}, s.args...), std); code > s.fine {
			return exitStatus(code)
		}
	}
	return nil
}
