// The command crash explore: judge every legal crash state of a log.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/check"
)

const crashExploreHelp = `   Enumerates the states that a crash can leave: all prefixes of the log, all legal
   subsets of the writes between two flushes (a sample if there are many), and torn
   commits. In each state the store must parse, name no chunk twice and leak none,
   and origin and COW store together must give the frozen image. START and LEN
   count sectors of the logged device, its logical blocks; if a store is found only
   by counting 512-byte sectors, as in dmsetup's tables, they are taken as those.
   Repeat --cow for several snapshots of the origin.

   The origin is frozen at the mark or, without --from-mark, when the first chunk
   is copied. Flush before sending a mark: the log may have unflushed writes after
   it.

   Each copy must equal the frozen chunk, unless the log shows writes to the
   snapshot itself: then a warning says so, and possible writes are accepted.
   --read-only-snapshot and --snapshot-written decide it.

   --check runs a checker on the image of each state, each distinct image once. By
   default that is the snapshot's content, as a FUSE file. The checker must do what
   a mount would do first, such as replaying a journal.

   --upper checks each state against the log of a device above the snapshot or its
   origin: what that device flushed before a mark that both logs have must be
   readable through the stack in all states after the mark, in that version or a
   later one.

EXAMPLES:
   dmsnapctl crash explore --log /dev/vdc --origin 0+16384 --cow 16384+32768
   dmsnapctl crash explore --log log.img --base before.img --origin 0+16384 \
      --cow 16384+32768 --from-mark frozen --crashes 2 --timeline log.svg
   dmsnapctl crash explore --log log.img --origin 0+16384 --cow 16384+32768 \
      --expect leaky --json | jq .worst
   dmsnapctl crash explore --log log.img --origin 0+16384 --cow 16384+32768 \
      --view origin --check 'e2fsck -fy' --check-ok 1`

func crashExploreCommand() *cli.Command {
	return &cli.Command{
		Name:        "explore",
		Usage:       "judge every legal crash state of a log",
		Description: crashExploreHelp,
		Flags: append([]cli.Flag{
			&cli.StringFlag{Name: "log", Usage: "the `FILE` or device with the log"},
			&cli.StringFlag{Name: "origin", Usage: "the origin lies at `START+LEN` of the logged device"},
			&cli.StringSliceFlag{Name: "cow", Usage: "a COW store lies at `START+LEN`"},
			&cli.StringSliceFlag{Name: "grown", Usage: "the COW device was only `START+LEN@MARK` until this mark, and then grew to what --cow says"},
			&cli.StringFlag{Name: "base", Usage: "`IMAGE` of the device before the first entry (default: zeros)"},
			&cli.StringFlag{Name: "from-mark", Usage: "the `TEXT` of the mark at which the origin was frozen"},
			&cli.IntFlag{Name: "reorder", Value: crash.DefaultReorder, Usage: "sample at most `N` random states between two flushes if there are too many"},
			&cli.IntFlag{Name: "crashes", Value: 1, Usage: "crash `N` times, 1 or 2: with 2, activate each state in a model, continue and crash again"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "`SEED` of the random states"},
			&cli.StringFlag{Name: "expect", Value: string(allocator.Fixed), Usage: "the `KERNEL` that wrote the log: fixed, leaky or mended; for a leaky one the order of exceptions is not checked; it also models the second crash; leaks always count"},
			&cli.BoolFlag{Name: "read-only-snapshot", Usage: "assert that nothing wrote to the snapshot itself: check each copy against the frozen origin"},
			&cli.BoolFlag{Name: "snapshot-written", Usage: "assert writes to the snapshot itself, or to the origin during a merge, even if the log shows none"},
			&cli.BoolFlag{Name: "discards-passed-down", Usage: "assert the snapshot's feature discard_passdown_origin: discards of the origin come from the snapshot, and need no copy; for one --cow"},
			&cli.BoolFlag{Name: "origin-unwritten", Usage: "assert that nothing wrote to the origin: a log without such writes is then no doubt"},
			&cli.StringFlag{Name: "upper", Usage: "the `FILE` or device with the log of a device on top of the stack, whose flushed data must be there"},
			&cli.StringFlag{Name: "upper-view", Usage: "`WHERE` that device is: on the snapshot (of the first --cow) or on the origin"},
			failOnFlag(),
			&cli.IntFlag{Name: "jobs", Usage: "judge `N` states at once", DefaultText: "the number of processors"},
			&cli.StringFlag{Name: "shard", Usage: "explore only part `I/N`; \"crash combine\" adds up the parts"},
		}, append(drawingFlags(), checkFlags()...)...),
		Action: withArgs("", byName(runCrashExplore)),
	}
}

func runCrashExplore(c *cli.Context) error {
	o := outputOf(c)
	opt, err := exploreOptions(c, o)
	if err != nil {
		return err
	}
	fail, err := failOn(c.String("fail-on"))
	if err != nil {
		return err
	}
	checker, err := checkerOf(c)
	if err != nil {
		return err
	}
	named, err := regionsAsWritten(c)
	if err != nil {
		return err
	}
	drawn, err := drawingsOf(c)
	if err != nil {
		return err
	}
	debug.SetGCPercent(50) // an exploration's index may be large, so keep less garbage
	return withLog(c, func(l *logwrites.Log, base io.ReaderAt, size int64) error {
		at, err := named.on(l, base, size)
		if err != nil {
			return err
		}
		opt.Base, opt.BaseSize = base, size
		opt.Origin, opt.COW, opt.Grown = *at.origin, at.stores, at.grown
		report, err := exploreBoth(c, l, opt, checker)
		if report != nil && at.warning != "" {
			report.Warnings = append(report.Warnings, at.warning)
		}
		switch {
		case errors.Is(err, context.Canceled) && report != nil:
			o.warnf("%s: interrupted; the result covers crashes before entry %d of %d, and nothing was changed", c.String("log"), report.ExploredEntries, report.Entries)
			if err := showExploration(c, o, report, at, fail, drawn); exitCodeOf(err) == exitUnknown {
				return err
			}
			return exitStatus(exitInterrupted)
		case errors.Is(err, crash.ErrOverlap):
			return usagef("--origin, --cow: %v", err)
		case err != nil:
			return fmt.Errorf("%s: %w", c.String("log"), err)
		}
		return showExploration(c, o, report, at, fail, drawn)
	})
}

// exploreBoth explores a log, and checks it against the log of the layer above if
// there is one.
func exploreBoth(c *cli.Context, l *logwrites.Log, opt crash.Options, checker *check.Options) (r *crash.Report, err error) {
	if c.String("upper") == "" {
		return exploreWith(c.Context, l, opt, checker)
	}
	errOpen := openLog(outputOf(c), c.String("upper"), func(upper *logwrites.Log) error {
		opt.Upper = upper
		r, err = exploreWith(c.Context, l, opt, checker)
		return nil
	})
	return r, errors.Join(err, errOpen)
}

func exploreOptions(c *cli.Context, o *console) (opt crash.Options, err error) {
	if err := needFlags(c, "origin", "cow"); err != nil {
		return opt, err
	}
	if opt.Expect, err = kernelFlag(c, "expect", allocator.Fixed, allocator.Leaky, allocator.Mended); err != nil {
		return opt, err
	}
	opt.Crashes = c.Int("crashes")
	if opt.Crashes != 1 && opt.Crashes != 2 {
		return opt, usagef("--crashes: %d; write 1 or 2", opt.Crashes)
	}
	switch opt.Reorder = c.Int("reorder"); {
	case opt.Reorder < 0:
		return opt, usagef("--reorder: %d; write 0 for no random states, or more", opt.Reorder)
	case opt.Reorder == 0: // 0 is the explorer's default
		opt.Reorder = -1
	}
	opt.FromMark, opt.Seed = c.String("from-mark"), c.Uint64("seed")
	opt.ReadOnlySnapshot, opt.SnapshotWritten = c.Bool("read-only-snapshot"), c.Bool("snapshot-written")
	opt.OriginUnwritten, opt.DiscardsPassedDown = c.Bool("origin-unwritten"), c.Bool("discards-passed-down")
	if opt.ReadOnlySnapshot && opt.SnapshotWritten {
		return opt, usagef("--read-only-snapshot and --snapshot-written exclude each other")
	}
	if opt.DiscardsPassedDown && len(c.StringSlice("cow")) > 1 {
		return opt, usagef("--discards-passed-down: give one --cow; such discards damage the origin's other snapshots")
	}
	if opt.Jobs = c.Int("jobs"); opt.Jobs < 0 || opt.Jobs == 0 && c.IsSet("jobs") {
		return opt, usagef("--jobs: %d; write 1 or more", opt.Jobs)
	}
	switch opt.UpperView = crash.View(c.String("upper-view")); {
	case c.String("upper") == "" && (c.IsSet("upper") || c.IsSet("upper-view")):
		return opt, usagef("--upper-view and --upper FILE go together")
	case c.String("upper") != "" && opt.UpperView != crash.SnapshotView && opt.UpperView != crash.OriginView:
		return opt, usagef("--upper-view: %q; write %s or %s", opt.UpperView, crash.SnapshotView, crash.OriginView)
	}
	if text := c.String("shard"); text != "" || c.IsSet("shard") {
		if opt.Shard, err = crash.ParseShard(text); err != nil {
			return opt, usagef("--shard: %v", err)
		}
	}
	if o.progress {
		say := sometimes(o)
		opt.Progress = func(entry, entries int, states uint64) {
			say("entry %d of %d, %s", entry, entries, count.Of(states, "state"))
		}
	}
	return opt, nil
}

// sometimes limits progress lines: the first after a second, then one from time
// to time.
func sometimes(o *console) func(format string, args ...any) {
	begun := time.Now()
	shown := begun
	return func(format string, args ...any) {
		if now := time.Now(); now.Sub(begun) >= progressAfter && now.Sub(shown) >= progressEvery {
			shown = now
			_, _ = fmt.Fprintf(o.err, "dmsnapctl: %s\n", output.Name(fmt.Sprintf(format, args...)))
		}
	}
}

// exploreSchema is the schema of an exploration's report, which crash combine
// reads and writes.
var exploreSchema = schemaOf("crash explore")

// explored is a report with advice, as JSON has it.
type explored struct {
	Schema string `json:"schema"`
	*crash.Report
	Advice []advice `json:"advice"`
}

func showExploration(c *cli.Context, o *console, r *crash.Report, at regions, fail []string, drawn drawings) error {
	for _, w := range r.Warnings {
		o.warnf("%s: %s", c.String("log"), w)
	}
	if r.Shard.Of > 0 {
		r.KeepPictures()
	}
	var err error
	if next := adviceOnLog(r, reproducer(c, at)); o.json {
		err = o.printJSON(explored{exploreSchema, r, next})
	} else {
		err = printExploration(o, r, next, at)
	}
	if err != nil {
		return err
	}
	end := exploreEnd(o, c.String("log"), r, fail)
	if err := drawn.write(o, c.String("log"), r, nextCommands(r, output.Text(reproducer(c, at)))); err != nil {
		return err
	}
	return end
}

// exploreEnd prints doubts and returns the exit status after a report.
func exploreEnd(o *console, what string, r *crash.Report, fail []string) error {
	for _, d := range r.Doubts {
		o.warnf("%s: %s; %s", what, d.Message, settles(d))
	}
	if code := exploreCode(r, fail); code != exitFine {
		return exitStatus(code)
	}
	return nil
}
