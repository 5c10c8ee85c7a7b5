// The command crash explore: judge every legal crash state of a log.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

const crashExploreHelp = `   Enumerates what a crash can have left behind of the log: all prefixes, all
   legal subsets of the writes between two flushes (or, of many writes, some),
   commits that were torn. In each state the store must parse, name no chunk
   twice and leak none, and origin and COW store together must give back the
   frozen image. START and LEN are in sectors of the logged device, its logical
   blocks; where only sectors of 512 bytes find a store, as in dmsetup's tables,
   they are taken for those. --cow may be repeated for several snapshots of the
   origin.

   The origin is taken to be frozen at the mark or, without --from-mark, when
   the first chunk is copied. Flush before a mark is sent: writes that no flush
   has covered may stand behind it in the log.

   Each copy must be the frozen chunk, unless the log tells that somebody wrote
   to the snapshot itself: then a warning says so, and what may be such a write
   is taken for one. --read-only-snapshot and --snapshot-written decide it.

EXAMPLES:
   dmsnapctl crash explore --log /dev/vdc --origin 0+131072 --cow 131072+32768
   dmsnapctl crash explore --log log.img --base before.img --origin 0+16384 \
      --cow 16384+32768 --from-mark frozen --crashes 2 --timeline log.svg
   dmsnapctl crash explore --log log.img --origin 0+16384 --cow 16384+32768 \
      --expect leaky --json | jq .worst`

func crashExploreCommand() *cli.Command {
	return &cli.Command{
		Name:        "explore",
		Usage:       "judge every legal crash state of a log",
		Description: crashExploreHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "log", Usage: "the `FILE` or device with the log"},
			&cli.StringFlag{Name: "origin", Usage: "where the origin lies on the logged device: `START+LEN`"},
			&cli.StringSliceFlag{Name: "cow", Usage: "where a COW store lies: `START+LEN`"},
			&cli.StringFlag{Name: "base", Usage: "`IMAGE` of the device before the first entry (default: zeros)"},
			&cli.StringFlag{Name: "from-mark", Usage: "the `TEXT` of the mark at which the origin was frozen"},
			&cli.IntFlag{Name: "reorder", Value: crash.DefaultReorder, Usage: "at most `N` random states between two flushes, where there are too many for all"},
			&cli.IntFlag{Name: "crashes", Value: 1, Usage: "`1` or 2: activate each state, go on (a model does) and crash again"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the random states"},
			&cli.StringFlag{Name: "expect", Value: string(allocator.Fixed), Usage: "the `KERNEL` that wrote the log, fixed or leaky: of a leaky one the order of exceptions is no violation, and it goes on before a second crash; leaks count the same"},
			&cli.BoolFlag{Name: "read-only-snapshot", Usage: "nobody wrote to the snapshot itself: hold each copy against the frozen origin"},
			&cli.BoolFlag{Name: "snapshot-written", Usage: "somebody wrote to the snapshot itself, or to the origin while it merged, whatever the log tells"},
			&cli.StringFlag{Name: "timeline", Usage: "draw the log and its bad windows into `FILE.svg`"},
		},
		Action: withArgs("", runCrashExplore),
	}
}

func runCrashExplore(c *cli.Context) error {
	o := outputOf(c)
	opt, err := exploreOptions(c, o)
	if err != nil {
		return err
	}
	named, err := regionsAsWritten(c)
	if err != nil {
		return err
	}
	return withLog(c, func(l *logwrites.Log, base io.ReaderAt, size uint64) error {
		at, err := named.on(l, base, size)
		if err != nil {
			return err
		}
		opt.Base, opt.BaseSize = base, size
		opt.Origin, opt.COW = *at.origin, at.stores
		report, err := crash.Explore(c.Context, l, opt)
		if report != nil && at.warning != "" {
			report.Warnings = append(report.Warnings, at.warning)
		}
		switch {
		case errors.Is(err, context.Canceled) && report != nil:
			o.warnf("%s: interrupted; what is shown is true of crashes before entry %d of %d, and nothing was changed", c.String("log"), report.ExploredEntries, report.Entries)
			if err := showExploration(c, o, report, at); exitCodeOf(err) == exitUnknown {
				return err
			}
			return exitStatus(exitInterrupted)
		case errors.Is(err, crash.ErrOverlap):
			return usagef("--origin, --cow: %v", err)
		case err != nil:
			return fmt.Errorf("%s: %w", c.String("log"), err)
		}
		return showExploration(c, o, report, at)
	})
}

func exploreOptions(c *cli.Context, o *console) (opt crash.Options, err error) {
	if err := needFlags(c, "origin", "cow"); err != nil {
		return opt, err
	}
	if opt.Expect, err = kernelFlag(c, "expect"); err != nil {
		return opt, err
	}
	opt.Crashes = c.Int("crashes")
	if opt.Crashes != 1 && opt.Crashes != 2 {
		return opt, usagef("--crashes: %d; write 1 or 2", opt.Crashes)
	}
	switch opt.Reorder = c.Int("reorder"); {
	case opt.Reorder < 0:
		return opt, usagef("--reorder: %d; write 0 for no random states, or more", opt.Reorder)
	case opt.Reorder == 0: // which means the default to the explorer
		opt.Reorder = -1
	}
	opt.FromMark, opt.Seed = c.String("from-mark"), c.Uint64("seed")
	opt.ReadOnlySnapshot, opt.SnapshotWritten = c.Bool("read-only-snapshot"), c.Bool("snapshot-written")
	if opt.ReadOnlySnapshot && opt.SnapshotWritten {
		return opt, usagef("--read-only-snapshot and --snapshot-written contradict each other: give one of them, or none")
	}
	if o.progress {
		say := sometimes(o)
		opt.Progress = func(entry, entries int, states uint64) {
			say("entry %d of %d, %d states", entry, entries, states)
		}
	}
	return opt, nil
}

// sometimes is a way to say how far something is: after the first second, and
// then now and then.
func sometimes(o *console) func(format string, args ...any) {
	begun := time.Now()
	shown := begun
	return func(format string, args ...any) {
		if now := time.Now(); now.Sub(begun) >= progressAfter && now.Sub(shown) >= progressEvery {
			shown = now
			_, _ = fmt.Fprintf(o.err, "dmsnapctl: "+format+"\n", args...)
		}
	}
}

func showExploration(c *cli.Context, o *console, r *crash.Report, at regions) error {
	if path := c.String("timeline"); path != "" {
		if err := writeFile(path, r.WriteTimeline); err != nil {
			return err
		}
	}
	for _, w := range r.Warnings {
		o.warnf("%s: %s", c.String("log"), w)
	}
	var err error
	if o.json {
		err = o.printJSON(r)
	} else {
		err = printExploration(o, r, reproducer(c, at), at)
	}
	if err != nil {
		return err
	}
	if code := exploreCode(r); code != exitFine {
		return exitStatus(code)
	}
	return nil
}

// exploreCode is the exit code of an exploration: 1 for leaks, 2 for corrupt
// stores and broken images.
func exploreCode(r *crash.Report) int {
	switch {
	case r.CorruptStates > 0 || r.BrokenImageStates > 0:
		return exitCritical
	case r.LeakingStates > 0:
		return exitWarning
	default:
		return exitFine
	}
}

// writeFile makes a file with what draw writes.
func writeFile(path string, draw func(io.Writer) error) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return draw(f)
}

// reproducer is the command line, but for the state, that writes a state out.
func reproducer(c *cli.Context, at regions) string {
	line := []string{"dmsnapctl crash state --log", shellWord(c.String("log"))}
	if base := c.String("base"); base != "" {
		line = append(line, "--base", shellWord(base))
	}
	line = append(line, at.String())
	if kernel := c.String("expect"); kernel != string(allocator.Fixed) {
		line = append(line, "--expect", kernel)
	}
	return strings.Join(line, " ")
}

// shellWord quotes a word where a shell would split it.
func shellWord(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("/._-+:,=@%", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

func printExploration(o *console, r *crash.Report, reproduce string, at regions) error {
	w := tabwriter.NewWriter(o.out, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) {
		_, _ = fmt.Fprintf(w, "  "+name+"\t"+format+"\n", args...)
	}
	_, _ = fmt.Fprintln(w, o.colored(exploreCode(r), r.Headline()))
	cov := r.Coverage
	line("log", "%d entries, %d commits; crashes from entry %d on", r.Entries, r.Commits, cov.FirstEntry)
	line("states", "%d, of which %d look different to the judge, in %.2f s", r.States, cov.DistinctStates, r.Seconds)
	line("coverage", "%d of %d epochs (from flush to flush) exhausted, %d sampled (%d random states); %d states with torn commits, %d with other torn writes",
		cov.ExhaustiveEpochs, cov.Epochs, cov.SampledEpochs, cov.SampledStates, cov.TornCommits, cov.TornWrites)
	line("found", "%d leaking, %d corrupt, %d of a broken image; %d with stale records, %d with a snapshot that the kernel had invalidated",
		r.LeakingStates, r.CorruptStates, r.BrokenImageStates, r.StaleStates, r.AbandonedStates)
	if s := r.SecondCrash; s.From > 0 {
		line("second crash", "%d states, from %d: %d leaking, %d corrupt, %d of a broken image", s.States, s.From, s.Leaking, s.Corrupt, s.Broken)
		if f := s.FirstFailure; f != nil {
			line("", "first at state %s: %s", f.State, f.Why)
		}
	}
	if cov.BlindWrites > 0 {
		line("blind window", "%d origin writes are logged behind a commit that they may have preceded", cov.BlindWrites)
	}
	line("order", "%d violations", r.LintViolations)
	for i, v := range r.Violations {
		if i == 3 {
			line("", "… and %d more; --json shows them", r.LintViolations-3)
			break
		}
		line("", "%s: %s", v.Rule, v.Message)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	_, err := fmt.Fprint(o.out, "\n", r.TimelineText(72), firstState(r, reproduce, at))
	return err
}

// firstState tells of the first state that should not be, and how to get it.
func firstState(r *crash.Report, reproduce string, at regions) string {
	f, what := r.FirstFailure, "first failure"
	if f == nil {
		f, what = r.SecondCrash.FirstFailure, "first failure after a second crash"
	}
	if f == nil {
		return ""
	}
	where := f.Where()
	if len(at.stores) > 1 {
		where += fmt.Sprintf(", in store %d (%s)", f.Store, at.flags[1+f.Store])
	}
	return fmt.Sprintf("\n%s, %s: %s\nto have that state as an image:\n   %s --state %s --out state.img\n", what, where, f.Why, reproduce, f.State)
}
