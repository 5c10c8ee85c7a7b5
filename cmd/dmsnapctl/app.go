// The application: its command tree, global flags and help texts, and the
// frame in which every command runs.

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
)

// run is the whole program: arguments in, exit code out. It turns panics into
// errors.
func run(ctx context.Context, args []string, std streams) (code int) {
	out, errs := &output.Stream{Writer: std.out}, &output.Stream{Writer: std.err}
	std.out, std.err = out, errs
	app := newAppOf(std, commandsFor(run, args))
	what := ""
	fail := func(err error) int {
		defer func() { _ = errs.Flush() }() // there is nowhere left to report it
		var status exitStatus
		refused, _ := errors.AsType[*output.Refusal](err)
		if err != nil && !errors.As(err, &status) && (refused == nil || !refused.Stderr) {
			_, _ = fmt.Fprintf(std.err, "dmsnapctl: %s\n", explained(err))
		}
		return exitCodeOf(err)
	}
	defer func() {
		if p := recover(); p != nil {
			code = fail(fmt.Errorf("internal error: %v (a bug in dmsnapctl: please report it with the command line: %s)", p, what))
		}
	}()
	line, err := arrange(app, args)
	what = line.String()
	if err == nil {
		err = app.RunContext(ctx, line.args())
	}
	if failed := out.Flush(); err == nil && failed != nil {
		err = fmt.Errorf("writing to stdout: %w", failed)
	}
	if err != nil && hasSwitch(args, "json") && !hasSwitch(args, "quiet") && !hasSwitch(args, "q") {
		writeJSONError(std.out, line.name(), err)
	}
	return fail(err)
}

// newApp is the application with all its commands.
func newApp(std streams) *cli.App { return newAppOf(std, commands(run)) }

func newAppOf(std streams, commands []*cli.Command) *cli.App {
	app := &cli.App{
		Name:      "dmsnapctl",
		Usage:     "manage device-mapper snapshots, and find chunks that leaky kernels lost",
		UsageText: "dmsnapctl [global flags] COMMAND [flags] ARGUMENTS",
		Version:   "-", // printVersion prints it
		Flags:     globalFlags(),
		Commands:  commands,
		// The library's defaults would break the contract: it prints usage to
		// stdout, exits by itself, and does not use code 64.
		HideHelpCommand: true,
		ExitErrHandler:  func(*cli.Context, error) {},
		OnUsageError:    badFlag,
		Action: func(c *cli.Context) error {
			return usagef("no command given; see 'dmsnapctl --help'")
		},
		Reader:                    std.in,
		Writer:                    std.out,
		ErrWriter:                 std.err,
		DisableSliceFlagSeparator: true,
	}
	prepare(app.Commands)
	return app
}

// prepare sets what all commands in the tree share.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.HideHelpCommand = true
		c.OnUsageError = badFlag
		if len(c.Subcommands) > 0 && c.Action == nil {
			name := c.Name
			c.Action = func(*cli.Context) error {
				return usagef("%s: no command given; see 'dmsnapctl %s --help'", name, name)
			}
		}
		prepare(c.Subcommands)
	}
}

// badFlag rewords the library's error about a flag.
func badFlag(c *cli.Context, err error, _ bool) error {
	said := strings.TrimSuffix(err.Error(), ": parse error")
	said = strings.Replace(strings.Replace(said, "for flag -", "for -", 1), "for -", "for --", 1)
	if c.Command.HelpName == c.App.Name { // a global flag
		return usagef("%s; see '%s --help'", said, c.App.Name)
	}
	return usagef("%s: %s; see '%s --help'", commandName(c), said, c.Command.HelpName)
}

func globalFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "json", Usage: "print one JSON object on stdout"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print no results; use the exit code"},
		&cli.BoolFlag{Name: "no-color", Usage: "no colours (same as the variable NO_COLOR)"},
		&cli.BoolFlag{Name: "progress", Usage: "show progress even if stderr is not a terminal"},
	}
}

func init() {
	cli.HelpPrinter = printHelp
	cli.VersionPrinter = printVersion
	cli.VersionFlag = &cli.BoolFlag{Name: "version", Usage: "print the version", DisableDefaultText: true}
	cli.HelpFlag = &cli.BoolFlag{Name: "help", Aliases: []string{"h"}, Usage: "show help", DisableDefaultText: true}
}
