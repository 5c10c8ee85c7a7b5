// The command crash state: write one crash state of a log to a file.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/check"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

const crashStateHelp = `   STATE is a name from "crash explore": 120+121,123-125,127:0-3.7 means the first
   120 entries, entries 121 and 123 to 125, and blocks 0 to 3 and 7 of entry 127.
   States of a second crash (120+127:1/30) need --origin and --cow in the order
   that "explore" had: in 120+127:1/30@1 the store of the second --cow continues.

   --view snapshot writes the snapshot's content in that state, as "crash explore
   --check" sees it, and --view origin the origin's.

   FILE must not exist. Without --view it is an image of the logged device: a
   sparse file that covers the base image, the state's writes, --origin and --cow.

EXAMPLES:
   dmsnapctl crash state --log log.img --state 159+160 --out state.img
   dmsnapctl crash state --log log.img --state 159+160:0/12c \
      --base before.img --origin 0+16384 --cow 16384+32768 --out second.img`

func crashStateCommand() *cli.Command {
	return &cli.Command{
		Name:        "state",
		Usage:       "write one crash state of a log as an image of the device",
		Description: crashStateHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "log", Usage: "the `FILE` or device with the log"},
			&cli.StringFlag{Name: "state", Usage: "the `STATE` to write"},
			&cli.StringFlag{Name: "out", Usage: "the `FILE` to write"},
			&cli.StringFlag{Name: "base", Usage: "`IMAGE` of the device before the first entry (default: zeros)"},
			&cli.StringFlag{Name: "origin", Usage: "the origin lies at `START+LEN`"},
			&cli.StringSliceFlag{Name: "cow", Usage: "a COW store lies at `START+LEN`"},
			viewFlag(crash.DiskView),
			&cli.IntFlag{Name: "store", Usage: "with --view snapshot: use the store of --cow number `N`, from 0"},
			&cli.StringFlag{Name: "expect", Value: string(allocator.Fixed), Usage: "the `KERNEL` that continues before a second crash: fixed, leaky or mended"},
		},
		Action: withArgs("", byName(runCrashState)),
	}
}

// crashStateJSON is the result as JSON.
type crashStateJSON struct {
	Schema string `json:"schema"`
	State  string `json:"state"`
	Entry  int    `json:"entry"`
	Out    string `json:"out"`
	Bytes  int64  `json:"bytes"`
}

func runCrashState(c *cli.Context) error {
	o := outputOf(c)
	if err := needFlags(c, "log", "state", "out"); err != nil {
		return err
	}
	state, err := crash.ParseState(c.String("state"))
	if err != nil {
		return usagef("--state: %v", err)
	}
	named, err := regionsAsWritten(c)
	if err != nil {
		return err
	}
	view, err := stateView(c, named)
	if err != nil {
		return err
	}
	out, err := logOutput(c, "out", output.Options{Private: true, New: true})
	if err != nil {
		return err
	}
	return withLog(c, func(l *logwrites.Log, base io.ReaderAt, size int64) error {
		image, err := crash.NewOverlay(l, state, base, size)
		if err != nil {
			return err
		}
		at, err := named.on(l, base, size)
		if err != nil {
			return err
		}
		if at.warning != "" {
			o.warnf("%s: %s", c.String("log"), at.warning)
		}
		if at.origin != nil {
			image.Grow(*at.origin)
		}
		for _, r := range at.stores {
			image.Grow(r)
		}
		if state.Again != nil {
			if err := goOn(c, image, at, *state.Again); err != nil {
				return err
			}
		}
		written, err := writeState(c, out, image, at, view)
		if err != nil {
			return err
		}
		if o.json {
			return o.printJSON(crashStateJSON{Schema: schemaOf(o.command), State: state.String(), Entry: state.Last(), Out: c.String("out"), Bytes: written})
		}
		_, err = fmt.Fprintf(o.out, "%s: state %v, %s\n", output.Name(c.String("out")), state, count.Bytes(uint64(written)))
		return err
	})
}

// goOn continues a state up to its second crash.
func goOn(c *cli.Context, image *crash.Overlay, at regions, done crash.FollowUp) error {
	if at.origin == nil || len(at.stores) == 0 {
		return usagef("crash state: a state of a second crash needs --origin and --cow")
	}
	if done.Store >= len(at.stores) {
		return usagef("crash state: store %d continues before the second crash, but --cow is given %s", done.Store, count.Of(len(at.stores), "time"))
	}
	kernel, err := kernelFlag(c, "expect", allocator.Fixed, allocator.Leaky, allocator.Mended)
	if err != nil {
		return err
	}
	return image.Continue(kernel, *at.origin, at.stores[done.Store], done)
}

// stateView reads --view and --store.
func stateView(c *cli.Context, named regions) (crash.View, error) {
	if !c.IsSet("view") {
		if c.IsSet("store") {
			return "", usagef("crash state: --store goes with --view snapshot")
		}
		return crash.DiskView, nil
	}
	view, err := crash.ParseView(c.String("view"))
	switch n := c.Int("store"); {
	case err != nil:
		return "", usagef("--view: %v", err)
	case view != crash.DiskView && named.origin == nil, view == crash.SnapshotView && len(named.stores) == 0:
		return "", usagef("crash state: --view %s needs --origin and --cow", view)
	case view != crash.SnapshotView && c.IsSet("store"):
		return "", usagef("crash state: --store goes with --view snapshot")
	case n < 0 || view == crash.SnapshotView && n >= len(named.stores):
		return "", usagef("--store: %d; --cow is given %s, and the first is 0", n, count.Of(len(named.stores), "time"))
	}
	return view, nil
}

// writeState writes a view of a state to out, and returns the image's size.
func writeState(c *cli.Context, out *output.Destination, disk *crash.Overlay, at regions, view crash.View) (int64, error) {
	if view == crash.DiskView {
		return disk.Size(), out.WriteImage(disk.Size(), func(f *os.File) error { return disk.WriteTo(f) })
	}
	layout := check.Layout{Origin: *at.origin, COW: at.stores}
	v, err := layout.Open(c.Context, disk, disk.Size(), view, c.Int("store"))
	if err != nil {
		return 0, fmt.Errorf("the %s in that state: %w", view, err)
	}
	err = out.WriteImage(v.Size, func(f *os.File) error { return copySparse(c.Context, f, v) })
	return v.Size, errors.Join(err, v.Close())
}

// copySparse writes a view to a file that reads as zeros.
func copySparse(ctx context.Context, f *os.File, v *check.View) error {
	buf := make([]byte, 64<<10)
	for at := int64(0); at < v.Size; at += int64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		piece := buf[:min(int64(len(buf)), v.Size-at)]
		if n, err := v.ReadAt(piece, at); n < len(piece) {
			return fmt.Errorf("reading the image at byte %d: %w", at, err)
		}
		if blockdev.IsZero(piece) {
			continue
		}
		if _, err := f.WriteAt(piece, at); err != nil {
			return err
		}
	}
	return nil
}
