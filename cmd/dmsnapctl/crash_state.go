// The command crash state: write one crash state of a log out.

package main

import (
	"fmt"
	"io"
	"os"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/allocator"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

const crashStateHelp = `   STATE is as "crash explore" names it: 120+121,123-125,127:0-3.7 is the first
   120 entries, entries 121 and 123 to 125, and the blocks 0 to 3 and 7 of entry
   127. States of a second crash (120+127:1/30) need --origin and --cow, in the
   order that "explore" had: with 120+127:1/30@1 it is the second --cow's store
   that goes on.

   FILE must not exist yet. It becomes the logged device, as a sparse file that
   reaches as far as the base image, the state's writes, --origin and --cow do.

EXAMPLES:
   dmsnapctl crash state --log log.img --state 859+860 --out state.img
   dmsnapctl crash state --log log.img --base before.img --state 859+860:6/12c \
      --origin 0+16384 --cow 16384+32768 --out state.img`

func crashStateCommand() *cli.Command {
	return &cli.Command{
		Name:        "state",
		Usage:       "write one crash state of a log out, as an image of the device",
		Description: crashStateHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "log", Usage: "the `FILE` or device with the log"},
			&cli.StringFlag{Name: "state", Usage: "the `STATE`"},
			&cli.StringFlag{Name: "out", Usage: "the `FILE` to write"},
			&cli.StringFlag{Name: "base", Usage: "`IMAGE` of the device before the first entry (default: zeros)"},
			&cli.StringFlag{Name: "origin", Usage: "where the origin lies: `START+LEN`"},
			&cli.StringSliceFlag{Name: "cow", Usage: "where a COW store lies: `START+LEN`"},
			&cli.StringFlag{Name: "expect", Value: string(allocator.Fixed), Usage: "the `KERNEL` that goes on before a second crash: fixed, leaky or mended"},
		},
		Action: withArgs("", runCrashState),
	}
}

// crashStateJSON is the result for machines.
type crashStateJSON struct {
	Schema string `json:"schema"`
	State  string `json:"state"`
	Entry  int    `json:"entry"`
	Out    string `json:"out"`
	Bytes  uint64 `json:"bytes"`
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
	out, err := logOutput(c, "out", output.Options{Private: true, New: true})
	if err != nil {
		return err
	}
	return withLog(c, func(l *logwrites.Log, base io.ReaderAt, size uint64) error {
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
		if err := out.WriteImage(int64(image.Size()), func(f *os.File) error { return image.WriteTo(f) }); err != nil {
			return err
		}
		if o.json {
			return o.printJSON(crashStateJSON{Schema: schemaOf(o.command), State: state.String(), Entry: state.Last(), Out: c.String("out"), Bytes: image.Size()})
		}
		_, err = fmt.Fprintf(o.out, "%s: state %v, %s\n", c.String("out"), state, output.Bytes(image.Size()))
		return err
	})
}

// goOn continues a state up to its second crash.
func goOn(c *cli.Context, image *crash.Overlay, at regions, done crash.FollowUp) error {
	if at.origin == nil || len(at.stores) == 0 {
		return usagef("crash state: a state of a second crash needs --origin and --cow")
	}
	if done.Store >= len(at.stores) {
		return usagef("crash state: store %d goes on before the second crash, and --cow is given %s", done.Store, output.Plural(len(at.stores), "time"))
	}
	kernel, err := kernelFlag(c, "expect", allocator.Fixed, allocator.Leaky, allocator.Mended)
	if err != nil {
		return err
	}
	return image.Continue(kernel, *at.origin, at.stores[done.Store], done)
}
