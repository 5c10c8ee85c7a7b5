// The command check: does a kernel's snapshot target have the leak fix?

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed"
)

const checkHelp = `   Without a flag, check asks the running kernel. The verdict depends on the
   version of the target "snapshot": it is fixed from 1.12.0 on, and in the 1.10
   series from 1.10.2 on. A version is only a presumption, since vendors backport
   fixes without raising it. Exit code 0 is fixed, 1 leaky, 3 unknown.

   Other installed kernels are judged by their dm-snapshot module, or by their
   image if it is built in. --next finds the kernel that boots next from the boot
   loader's configuration or the link /vmlinuz; if neither exists or can be
   understood, the verdict is unknown. With --advisory, the exit code is about one
   known bug instead: 0 does not apply, 1 applies, 3 unknown.

EXAMPLES:
   dmsnapctl check
   dmsnapctl check --target-version 1.11.1
   dmsetup targets | dmsnapctl check --targets -
   dmsnapctl check --all-kernels --root /mnt
   dmsnapctl check --next || echo "not rebooting: the next kernel may leak"
   dmsnapctl check --module dm-snapshot.ko.xz --json
   dmsnapctl check --all-kernels --format prometheus \
      -o /var/lib/node_exporter/dmsnapctl.prom`

func checkCommand() *cli.Command {
	return &cli.Command{
		Name:        "check",
		Usage:       "report whether a kernel has the fix for the snapshot space leak",
		Category:    categoryKernel,
		Description: checkHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "target-version", Usage: "judge `VERSION` instead of the running kernel"},
			&cli.StringFlag{Name: "targets", Usage: "judge the output of 'dmsetup targets' in `FILE` (- for stdin)"},
			&cli.StringFlag{Name: "module", Usage: "judge the kernel module in `FILE`: .ko, plain or compressed"},
			&cli.StringFlag{Name: "kernel", Usage: "judge the installed kernel `RELEASE`"},
			&cli.BoolFlag{Name: "all-kernels", Usage: "judge all installed kernels"},
			&cli.BoolFlag{Name: "next", Usage: "judge the installed kernel that boots next"},
			&cli.StringFlag{Name: "root", Value: "/", Usage: "the system in `DIR`, for --kernel, --all-kernels and --next"},
			&cli.BoolFlag{Name: "load", Usage: "load the target's module into the running kernel if needed"},
			&cli.StringFlag{Name: "advisory", Usage: "make the exit code answer for the known bug `ID`"},
			&cli.StringFlag{Name: "format", Value: formatText, Usage: "`FORMAT` of the result: " + strings.Join(checkFormats, ", ")},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the result to `FILE`, replacing it in one step (- for stdout)"},
		},
		Action: withArgs("", runCheck),
	}
}

func runCheck(c *cli.Context) error {
	o := outputOf(c)
	request, err := parseCheck(c, o)
	if err != nil {
		return err
	}
	answer := checkAnswer{many: request.many, advisory: request.advisory}
	err = interruptible(c.Context, func() error { // a pipe may never say anything
		answer.Result = request.explain(request.run(c.App.Reader))
		return nil
	})
	if err != nil {
		return fmt.Errorf("check: interrupted, and nothing was changed: %w", err)
	}
	answer.schema = schemaOf(o.command)
	if err := answer.write(o, request.format, request.to); err != nil {
		return err
	}
	for _, k := range answer.Kernels {
		if k.Verdict == gate.Unknown && k.Err != nil {
			o.warnf("%w", k.Err)
		}
	}
	if answer.Err != nil {
		o.warnf("%w", answer.Err)
	}
	if code := answer.code(); code != exitFine {
		return exitStatus(code)
	}
	return nil
}

// checkRequest is what the flags request.
type checkRequest struct {
	check.Request
	targets  string // a file, or - for stdin
	many     bool   // the answer is a list
	advisory *gate.Advisory
	format   string
	to       *output.Destination
}

// run answers the request.
func (r checkRequest) run(stdin io.Reader) check.Result {
	if r.Subject != check.Targets || r.targets == "-" {
		r.Targets = stdin
		return check.Run(r.Request)
	}
	f, err := os.Open(r.targets)
	if err != nil {
		r.Targets = failingReader{err}
		return check.Run(r.Request)
	}
	defer func() { _ = f.Close() }()
	r.Targets = f
	return check.Run(r.Request)
}

// failingReader is a file that could not be opened.
type failingReader struct{ err error }

func (r failingReader) Read([]byte) (int, error) { return 0, r.err }

// explain adds to the kernels' rules what can be done.
func (r checkRequest) explain(result check.Result) check.Result {
	for i := range result.Kernels {
		k := &result.Kernels[i]
		switch {
		case errors.Is(k.Err, dmctl.ErrNoDeviceMapper) && !errors.Is(k.Err, installed.ErrNotLoaded): // there is nothing to load
		case r.Load && errors.Is(k.Err, dmctl.ErrNoTarget): // it has been tried
		default:
			k.Rule = withHint(k.Rule, hintFor(k.Err, ""))
		}
	}
	return result
}

// parseCheck reads the flags and refuses those that do not go together.
func parseCheck(c *cli.Context, o *console) (r checkRequest, err error) {
	source, err := checkSource(c)
	if err != nil {
		return r, err
	}
	next := c.Bool("next")
	r.Root, r.Load = c.String("root"), c.Bool("load")
	switch source {
	case "target-version":
		r.Subject = check.Version
		if r.Version, err = gate.ParseVersion(c.String(source)); err != nil {
			return r, usagef("check: %v", err)
		}
	case "targets":
		r.Subject, r.targets = check.Targets, c.String(source)
	case "module":
		r.Subject, r.Module = check.Module, c.String(source)
	case "kernel":
		r.Subject, r.Release = check.Installed, c.String(source)
	case "all-kernels":
		r.Subject, r.many = check.AllInstalled, true
	}
	if next {
		r.Subject = check.NextBoot
	}
	if id := c.String("advisory"); c.IsSet("advisory") {
		a, err := gate.FindAdvisory(id)
		if err != nil {
			return r, usagef("check: %v", err)
		}
		r.advisory = &a
	}
	if r.format, err = formatFlag(c, o, checkFormats); err != nil {
		return r, err
	}
	place := "-"
	if c.IsSet("output") {
		place = c.String("output")
	}
	r.to, err = output.To(place, output.Options{Reads: []string{r.targets, r.Module}, Stdout: o.out, Stderr: o.err})
	return r, err
}

// checkSource returns the flag that names what is judged, or "" if none does.
// It refuses flags that do not go together.
func checkSource(c *cli.Context) (source string, err error) {
	for _, flag := range []string{"target-version", "targets", "module", "kernel", "all-kernels"} {
		if !c.IsSet(flag) || flag == "all-kernels" && !c.Bool(flag) {
			continue
		}
		if source != "" {
			return "", usagef("check: --%s and --%s do not go together", source, flag)
		}
		source = flag
	}
	for _, flag := range []string{"targets", "module", "kernel", "root", "output"} {
		if c.IsSet(flag) && c.String(flag) == "" { // an unset variable of a script
			return "", usagef("check: --%s is empty", flag)
		}
	}
	next := c.Bool("next")
	switch installed := source == "kernel" || source == "all-kernels" || next; {
	case next && source != "" && source != "all-kernels":
		return "", usagef("check: --next and --%s do not go together", source)
	case c.IsSet("root") && !installed:
		return "", usagef("check: --root goes with --kernel, --all-kernels or --next")
	case c.Bool("load") && (source != "" || next):
		return "", usagef("check: --load is about the running kernel and does not go with --%s", cmp.Or(source, "next"))
	}
	return source, nil
}
