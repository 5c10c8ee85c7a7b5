// The command verify: judge a COW store, offline.

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime/debug"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

const verifyHelp = `   STORE is a block device or a file that holds a persistent COW store. It is
   opened read-only and never written. A store that the kernel has active is
   read past the page cache, again and again until it holds still.

   SIGUSR1 prints how far it is; an interrupt ends it with what is known.

   Verdicts: clean; empty (a device that the kernel will initialise); stale
   (whole, with dead records behind the end of the list); leaked (whole, with
   space lost for ever); invalid (given up by the kernel); corrupt;
   unrecognized (no COW store).

EXAMPLES:
   dmsnapctl verify /dev/mapper/vg-snap-cow
   dmsnapctl verify --lvm vg/snap
   dmsnapctl verify --json overlay.img | jq .leaks
   dmsnapctl verify --origin /dev/vg/root overlay.img
   dmsnapctl verify --quiet store.img || echo "look at store.img"`

func verifyCommand() *cli.Command {
	return &cli.Command{
		Name:        "verify",
		Usage:       "judge a COW store: leaked chunks, damage, how full it is",
		ArgsUsage:   "STORE",
		Category:    categoryJudge,
		Description: verifyHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "origin", Usage: "the origin `DEVICE`, to hold origin chunks against its size"},
			&cli.StringFlag{Name: "origin-size", Usage: "the origin's `SIZE`, where it is not at hand"},
			&cli.StringFlag{Name: "lvm", Usage: "judge the COW store of the LVM snapshot `VG/SNAP` instead of a STORE"},
			&cli.UintFlag{Name: "max-findings", Value: verify.DefaultMaxFindings, Usage: "write out `N` findings at most; all are counted"},
			&cli.StringFlag{Name: "map", Usage: "draw the store into `FILE`.svg or FILE.png as well"},
			&cli.BoolFlag{Name: "header-only", Usage: "look no further than the header"},
		},
		Action: withArgs("[STORE]", byName(runVerify)),
	}
}

func runVerify(c *cli.Context) (err error) {
	o := outputOf(c)
	path, err := storePath(c)
	if err != nil {
		return err
	}
	file, err := mapFlag(c, path)
	if err != nil {
		return err
	}
	opt, err := verifyOptions(c)
	if err != nil {
		return err
	}
	if file != nil {
		opt.Bins = picture.Bins
	}
	report, err := judgeStore(c.Context, o, path, opt)
	if report == nil {
		return err
	}
	bins := report.Bins
	report.Bins = nil // for the picture
	if errPrint := printReport(o, report); errPrint != nil {
		return errPrint
	}
	report.Bins = bins
	undrawn := drawMap(o, file, report)
	if err != nil { // the report is printed, and is the one object of --json
		if c.Context.Err() != nil {
			o.warnf("verify %s: interrupted; what is shown is true of the areas read so far, and nothing was changed", path)
			return exitStatus(exitInterrupted)
		}
		o.warnf("verify %s: %w", path, err)
		return exitStatus(exitUnknown)
	}
	if report.Verdict == verify.Unrecognized {
		o.warnf("%s: no COW store to judge; name the COW device or file itself, not the snapshot or its origin", path)
	}
	if undrawn {
		return exitStatus(exitUnknown)
	}
	if code := verdictCode(report.Report); code != exitFine {
		return exitStatus(code)
	}
	return nil
}

// mapFlag reads --map.
func mapFlag(c *cli.Context, path string) (*pictureFile, error) {
	file, err := pictureFlag(c, "map", path, c.String("origin"))
	switch {
	case err != nil || file == nil:
		return nil, err
	case file.IsStdout():
		return nil, usagef("verify: the report is on stdout; name a file for --map, or see 'dmsnapctl map --help'")
	case c.Bool("header-only"):
		return nil, usagef("verify: --header-only leaves nothing to draw; leave --map or it out")
	}
	return file, nil
}

// drawMap draws a report that is printed already, where a picture is asked
// for. It tells whether the picture is missing for an error.
func drawMap(o *console, file *pictureFile, r *judged) (failed bool) {
	if file == nil {
		return false
	}
	if why := whyNoPicture(r.Report); why != "" {
		o.warnf("no picture: %s: %s", r.Path, why)
		return false
	}
	if err := file.write(r); err != nil {
		o.warnf("verify %s: the picture: %w", r.Path, err)
		return true
	}
	return false
}

// storePath is the store that is to be judged: the argument, or what --lvm
// means.
func storePath(c *cli.Context) (string, error) {
	lvm, given := c.String("lvm"), c.IsSet("lvm")
	switch {
	case given && c.NArg() > 0:
		return "", usagef("verify: --lvm and STORE both name a store; give one of them")
	case given:
		return lvmStorePath(lvm)
	case c.NArg() == 0:
		return "", usagef("verify: missing STORE; see '%s --help'", c.Command.HelpName)
	}
	return judgedNamed(c.Context, c.Args().First()), nil
}

// lvmStorePath is the COW device of an LVM snapshot: LVM doubles the hyphens
// within a name and puts single ones between names.
func lvmStorePath(name string) (string, error) {
	vg, snapshot, ok := strings.Cut(name, "/")
	if !ok || vg == "" || snapshot == "" || strings.Contains(snapshot, "/") {
		return "", usagef("--lvm: %q is not of the form VG/SNAP", name)
	}
	double := func(s string) string { return strings.ReplaceAll(s, "-", "--") }
	return "/dev/mapper/" + double(vg) + "-" + double(snapshot) + "-cow", nil
}

func verifyOptions(c *cli.Context) (verify.Options, error) {
	opt := verify.Options{HeaderOnly: c.Bool("header-only"), MaxFindings: int(min(c.Uint("max-findings"), math.MaxInt))}
	if opt.MaxFindings == 0 {
		opt.MaxFindings = -1
	}
	var err error
	opt.OriginBytes, err = originBytesOf(c)
	return opt, err
}

// originBytesOf is the origin's size by --origin or --origin-size; 0 where
// neither is given.
func originBytesOf(c *cli.Context) (int64, error) {
	name := commandName(c)
	size, given, err := sizeFlag(c, "origin-size")
	if err != nil {
		return 0, err
	}
	if given && c.IsSet("origin") {
		return 0, usagef("%s: --origin and --origin-size say the same thing; give one of them", name)
	}
	if given && size > math.MaxInt64 {
		return 0, usagef("%s: --origin-size %d: no device has more than 2^63 bytes", name, size)
	}
	if given && size == 0 {
		return 0, usagef("%s: --origin-size 0: an origin has a size; leave the flag out where it is unknown", name)
	}
	bytes := int64(size)
	if c.IsSet("origin") {
		origin, err := blockdev.Open(c.String("origin"))
		if err != nil {
			return 0, fmt.Errorf("the origin: %w", adviseOpening(err, "the origin's device, or give --origin-size"))
		}
		bytes = origin.Size()
		if err := origin.Close(); err != nil || bytes > 0 {
			return bytes, err
		}
		return 0, fmt.Errorf("the origin %s has 0 bytes: it is not set up, or no origin; name another, or leave --origin out", origin.Path())
	}
	return bytes, nil
}

// judged is a report with the store's name: what verify and map print as JSON.
type judged struct {
	Schema string `json:"schema"`
	Path   string `json:"path"`
	*verify.Report
}

// judgeStore opens, judges and closes a store. One that the kernel has active
// is read past the page cache, below which the kernel writes.
func judgeStore(ctx context.Context, o *console, path string, opt verify.Options) (r *judged, err error) {
	s, err := openStoreFile(ctx, o, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.judge(ctx, o, opt)
}

// adviseOpening says what to do about a store that cannot be opened.
func adviseOpening(err error, what string) error {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, blockdev.ErrUnsupported):
		return fmt.Errorf("%w; name %s", err, what)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run it as root, or as a user who may read that", err)
	}
	return err
}

// tuneRuntime suits Go's runtime to what a judge does.
func tuneRuntime() {
	// The judge bounds what it keeps; this bounds what it leaves behind.
	debug.SetMemoryLimit(judgeMemory)
}

// judgeMemory is the memory that is to do, in bytes; more is taken only where
// less will not do.
const judgeMemory = 54 << 20

// verdictCode is the exit code that goes with a report.
func verdictCode(r *verify.Report) int {
	switch {
	case r.Unreadable() || r.Verdict == verify.Unrecognized:
		return exitUnknown
	case r.Verdict == verify.Corrupt || r.Verdict == verify.Invalid:
		return exitCritical
	case r.Verdict == verify.Leaked || r.Verdict == verify.Stale || r.Counts[verify.StoreFull] > 0:
		return exitWarning
	default:
		return exitFine
	}
}
