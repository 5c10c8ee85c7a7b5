// The command systemd-generator: units for the snapshots and clones of
// dmsnaptab(5). It is hidden: systemd calls it, through a script.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/snaptab"
)

// noTab is the word on the kernel's command line that disables the table, for a
// machine that does not boot with it.
const noTab = "dmsnaptab=no"

const generatorHelp = `   Writes a unit for each line of the table, and links that pull it in, into
   DIR; see systemd.generator(7). No device is touched. A wrong line is reported
   and skipped.

EXAMPLES:
   dmsnapctl systemd-generator units
   dmsnapctl systemd-generator --tab dmsnaptab units && ls units`

func generatorCommand() *cli.Command {
	return &cli.Command{
		Name:        "systemd-generator",
		Usage:       "write units for the snapshots of dmsnaptab(5)",
		ArgsUsage:   "DIR [EARLY] [LATE]",
		Hidden:      true,
		Description: generatorHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "tab", Value: "/etc/dmsnaptab", Usage: "the `FILE` with the table"},
			&cli.StringFlag{Name: "program", Usage: "the program `FILE` that the units run (default: this program)"},
			&cli.StringFlag{Name: "cmdline", Value: "/proc/cmdline", Usage: "the `FILE` with the kernel's command line"},
		},
		Action: withArgs("DIR [EARLY] [LATE]", runGenerator),
	}
}

func runGenerator(c *cli.Context) error {
	tab := c.String("tab")
	entries, wrong, err := readTab(c.Context, c.String("cmdline"), tab)
	if err != nil {
		return fmt.Errorf("systemd-generator: %w", err)
	}
	program := c.String("program")
	if program == "" {
		if program, err = os.Executable(); err != nil {
			return fmt.Errorf("systemd-generator: %w", err)
		}
	}
	// A wrong line does not affect the others.
	o := outputOf(c)
	for _, err := range wrong {
		o.warnf("%s: %w", tab, err)
	}
	for _, e := range entries {
		for _, file := range e.Files(program, tab) {
			if err := writeUnit(c.Args().First(), file); err != nil {
				return fmt.Errorf("systemd-generator: %w", err)
			}
		}
	}
	if len(wrong) > 0 {
		return exitStatus(exitUnknown)
	}
	return nil
}

// readTab reads the table, and what is wrong with it. There is none if the
// kernel's command line says so, or if the file does not exist. A pipe in the
// place of either may never say anything.
func readTab(ctx context.Context, cmdline, tab string) ([]snaptab.Entry, []error, error) {
	var entries []snaptab.Entry
	var wrong []error
	err := interruptible(ctx, func() error {
		words, err := os.ReadFile(cmdline)
		if err == nil && slices.Contains(strings.Fields(string(words)), noTab) {
			return nil
		}
		f, err := os.Open(tab)
		if err != nil {
			return err
		}
		defer f.Close() // only read from
		entries, wrong = snaptab.Parse(f)
		return nil
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case errors.Is(err, context.Canceled):
		return nil, nil, fmt.Errorf("read %s: %w; no unit was written", tab, err)
	case err != nil:
		return nil, nil, err
	}
	return entries, wrong, nil
}

func writeUnit(dir string, file snaptab.File) error {
	path := filepath.Join(dir, file.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if file.Link != "" {
		return os.Symlink(file.Link, path)
	}
	to, err := output.To(path, output.Options{})
	if err != nil {
		return err
	}
	return to.Write(func(w io.Writer) error { _, err := io.WriteString(w, file.Content); return err })
}
