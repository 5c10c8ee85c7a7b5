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
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
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
	if _, _, err := sizeFlag(c, "grow-by"); err != nil {
		return err
	}
	w := rescuing{c: c, o: o, path: storeArg(c, 0), said: rescueJSON{Schema: schemaOf(o.command), Wrong: []string{}, Notes: []string{}, Steps: []string{}}}
	if err := w.look(); err != nil {
		return fmt.Errorf("rescue %s: %w", w.path, err)
	}
	stays := w.plan()
	w.noteUnusedGrowth()
	held := w.isHeld()
	if held {
		stays = exitUnknown
	}
	for _, s := range w.steps {
		w.said.Steps = append(w.said.Steps, s.String())
	}
	// Without --yes it only shows the plan.
	w.said.DryRun = c.Bool("dry-run") || !c.Bool("yes") || held
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
	steps    []rescueStep
	said     rescueJSON
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
	w.said.Name, w.said.Verdict, w.said.leaked = w.path, w.report.Verdict, w.report.Leaks.Chunks
	for _, f := range w.report.Findings {
		if f.Severity != verify.Info && len(w.said.Wrong) < 10 {
			w.said.Wrong = append(w.said.Wrong, f.Message)
		}
	}
	return nil
}

// isHeld reports whether somebody has the store active, and a step needs it idle;
// it notes what to do first. A store that is in use can be judged, and enlarged
// through its snapshot. One that the kernel has invalidated can also be read.
func (w *rescuing) isHeld() bool {
	possible := map[string]bool{
		"verify": true, "grow": w.snapshot != "", "extract": w.report.Verdict == verify.Invalid,
	}
	for _, s := range w.steps {
		if w.user != "" && !possible[s.args[0]] {
			w.note("the store is in use by %s: unmount that and remove its device first; for LVM, dmsetup remove takes the device away and leaves the store", w.user)
			return true
		}
	}
	return false
}

func (w *rescuing) do(why string, fine int, args ...string) {
	w.steps = append(w.steps, rescueStep{args, why, fine})
}

func (w *rescuing) note(format string, args ...any) {
	w.said.Notes = append(w.said.Notes, fmt.Sprintf(format, args...))
}

// plan finds the commands that help, and the exit code of what they leave.
func (w *rescuing) plan() (stays int) {
	certain := w.report.Verdict != verify.Invalid || w.c.Bool("origin-unchanged") || w.readOnly
	if !certain {
		w.note("the origin may have changed since the snapshot was invalidated: only copied chunks are certain; add --origin-unchanged if nothing was written to it")
		if !w.c.IsSet("output") {
			w.note("-o FILE extracts what is left")
			return exitCritical
		}
		w.result(false)
		return exitFine
	}
	if w.isDamaged() && w.c.IsSet("output") {
		w.result(false) // as it is: a repair may be refused, and would write
		return exitFine
	}
	if w.isDamaged() {
		w.note("where the damage cannot be repaired with certainty, -o FILE extracts what is left")
	}
	w.mend()
	if w.report.Counts[verify.StoreFull] > 0 && !w.makeRoom() {
		stays = exitWarning
	}
	if len(w.steps) > 0 {
		w.do("check that the store is sound", exitWarning, "verify", w.path, "--origin", w.c.String("origin"))
	}
	w.result(true)
	return stays
}

// noteUnusedGrowth notes that no step enlarges the store, though that was asked
// for.
func (w *rescuing) noteUnusedGrowth() {
	grows := func(s rescueStep) bool {
		return s.args[0] == "grow" || slices.Contains(s.args, "--grow-by")
	}
	if w.c.IsSet("grow-by") && !slices.ContainsFunc(w.steps, grows) {
		w.note("--grow-by is not used: no step here needs a larger store; grow --by enlarges the file of a sound one")
	}
}

// isDamaged reports whether there is more wrong with the list than that the
// snapshot was invalidated, or has no room for the next area.
func (w *rescuing) isDamaged() bool {
	if w.report.Verdict != verify.Invalid {
		return w.report.Verdict == verify.Corrupt
	}
	for code, n := range w.report.Counts {
		if n > 0 && verify.SeverityOf(code) == verify.Error && code != verify.SnapshotInvalid && code != verify.TruncatedArea {
			return true
		}
	}
	return false
}

// mend plans what makes the store sound and valid.
func (w *rescuing) mend() {
	switch w.report.Verdict {
	case verify.Unrecognized:
		w.do("rebuild the header from the areas", exitFine, "repair", w.path, "--yes")
	case verify.Stale, verify.Leaked: // a store can be both
		if w.report.Counts[verify.StaleRecord] > 0 {
			w.do("clear the records after the end of the list", exitFine, "repair", w.path, "--yes")
		}
	case verify.Corrupt:
		w.repair()
	case verify.Invalid:
		if w.isDamaged() {
			w.repair()
		}
		args := []string{"revalidate", w.path, "--origin-unchanged"}
		if w.c.IsSet("grow-by") {
			args = append(args, "--grow-by", w.c.String("grow-by"))
		}
		w.do("the origin is unchanged: make the store valid again", exitFine, append(args, "--yes")...)
	}
}

func (w *rescuing) repair() {
	w.do("repair what is certain", exitFine, "repair", w.path, "--assume-canonical", "--origin", w.c.String("origin"), "--yes")
}

// makeRoom plans to give a full store room. It returns false if the user has to
// do more for that.
func (w *rescuing) makeRoom() (made bool) {
	valid, by := w.report.Verdict != verify.Invalid, w.c.String("grow-by")
	if valid && w.user == "" && w.report.Leaks.Chunks > 0 {
		w.do("the store is full: free its leaked chunks", exitFine, "reclaim", w.path, "--yes")
		made = true
	}
	switch {
	case w.isFile && by == "":
		w.note("the store is full; add --grow-by SIZE to enlarge it")
	case w.isFile && !valid: // revalidate does it
		made = true
	case w.isFile && w.user == "":
		w.do("the store is full: enlarge it", exitFine, "grow", w.path, "--by", by, "--yes")
		made = true
	case w.isFile && w.snapshot != "":
		w.do("the store is full: enlarge it", exitFine, "grow", w.snapshot, "--by", by, "--force", "--yes")
		made = true
	default:
		w.note("the store is full, and its device is not a file: enlarge it, for example with lvextend")
	}
	return made
}

// result plans what the user wants of the snapshot in the end.
func (w *rescuing) result(certain bool) {
	origin := w.c.String("origin")
	switch {
	case w.c.IsSet("output"):
		args := []string{"extract", w.path, "--origin", origin, "-o", w.c.String("output")}
		if !certain {
			args = append(args, "--best-effort")
		}
		w.do("extract the snapshot's image", exitFine, args...)
	case w.c.IsSet("activate") && certain:
		w.do("activate the snapshot", exitFine, "activate", w.c.String("activate"), "--origin", origin, "--cow", w.path, "--yes")
	}
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
	_, err := fmt.Fprint(o.out, b.String())
	return err
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
