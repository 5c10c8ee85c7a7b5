// The command verify: judge a COW store, offline.

package main

import (
	"math"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

const verifyHelp = `   STORE is a block device or file with a persistent COW store. It is opened
   read-only and never written. If the kernel has the store active, verify reads
   past the page cache, and reads the last part again until it stops changing.

   SIGUSR1 prints progress. An interrupt prints what is known so far.

   Verdicts: clean; empty (a device that the kernel will initialise); stale
   (sound, with dead records after the end of the list); leaked (sound, but space
   is lost); invalid (invalidated by the kernel); corrupt; unsettled (in use, so
   that what looks lost or dead may be a write in flight or merged already);
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
			&cli.StringFlag{Name: "origin", Usage: "check origin chunks against the size of `DEVICE`"},
			&cli.StringFlag{Name: "origin-size", Usage: "the origin's `SIZE`, if its device is not available"},
			&cli.StringFlag{Name: "lvm", Usage: "judge the COW store of the LVM snapshot `VG/SNAP` instead of a STORE"},
			&cli.UintFlag{Name: "max-findings", Value: verify.DefaultMaxFindings, Usage: "list at most `N` findings; all are counted"},
			&cli.StringFlag{Name: "map", Usage: "also draw the store to `FILE`.svg or FILE.png"},
			&cli.BoolFlag{Name: "header-only", Usage: "read the header only"},
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
	report.Advice = adviceOnStore(report, c.String("origin"))
	bins := report.Bins
	report.Bins = nil // for the picture
	if errPrint := printReport(o, report); errPrint != nil {
		return errPrint
	}
	report.Bins = bins
	undrawn := drawMap(o, file, report)
	if err != nil { // the report is printed, and is the one object of --json
		if c.Context.Err() != nil {
			o.warnf("verify %s: interrupted; the report covers the areas read so far, and nothing was changed", path)
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

// drawMap draws a report that has already been printed, if a picture is
// requested. It reports whether drawing failed.
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

// storePath is the store to judge: the argument, or what --lvm names.
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

// lvmStorePath is the COW device of an LVM snapshot.
func lvmStorePath(name string) (string, error) {
	vg, snapshot, ok := strings.Cut(name, "/")
	if !ok || vg == "" || snapshot == "" || strings.Contains(snapshot, "/") {
		return "", usagef("--lvm: %q is not of the form VG/SNAP", name)
	}
	mapped, err := devices.KnownName(name)
	if err != nil {
		return "", usagef("--lvm: %v", err)
	}
	return blockdev.MappedNodes + mapped.String() + devices.VolumeStoreSuffix, nil
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

// judgeMemory is a soft limit on Go's memory, in bytes.
const judgeMemory = 54 << 20
