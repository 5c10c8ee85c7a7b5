// The command table lint.

package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

const tableLintHelp = `   Prints line, word and broken rule for each mistake in the table in FILE (- for
   stdin), or in the tables of many devices as 'dmsetup table' prints them, with
   "NAME: " before each line. --target-version and --running add what the snapshot
   target of that version, or of this kernel, does not accept.

EXAMPLES:
   dmsetup table | dmsnapctl table lint -
   dmsnapctl table lint --target-version 1.14.0 table.txt`

func tableLintCommand() *cli.Command {
	return &cli.Command{
		Name:        "lint",
		Usage:       "find what is wrong with a table",
		ArgsUsage:   "FILE",
		Description: tableLintHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "target-version", Usage: "the `VERSION` of the snapshot target"},
			&cli.BoolFlag{Name: "running", Usage: "the snapshot target of the running kernel"},
		},
		Action: withArgs("FILE", runTableLint),
	}
}

// problemJSON is a problem that lint finds. Problems are written one by one, so
// that memory does not grow with their number.
type problemJSON struct {
	Line   int    `json:"line"`
	Device string `json:"device"`
	Word   int    `json:"word"`
	Text   string `json:"text"`
	Rule   string `json:"rule"`
}

func runTableLint(c *cli.Context) error {
	o := outputOf(c)
	version, err := lintVersion(c)
	if err != nil {
		return err
	}
	path := c.Args().First()
	in, err := openText(c, path)
	if err != nil {
		return err
	}
	defer in.Close() // only read from
	p := &problemPrinter{path: output.Name(path)}
	if o.json {
		p.object = output.NewObject(o.out)
		if err := p.object.Fields(streamed{schemaOf(o.command)}); err != nil {
			return err
		}
		p.object.BeginList("problems")
	} else {
		p.text = bufio.NewWriter(o.out)
	}
	failed := interruptible(c.Context, func() error { return table.LintDevices(in, version, p.print) })
	if err := p.end(failed); err != nil {
		return err
	}
	switch {
	case failed != nil:
		o.warnf("%s: %w", path, failed)
		return exitStatus(exitCodeOf(failed))
	case p.count > 0:
		return exitStatus(exitCritical)
	}
	return nil
}

// problemPrinter writes problems as they are found, since they may not fit in
// memory: a line for each, or one JSON object in parts.
type problemPrinter struct {
	path   string
	mu     sync.Mutex
	text   *bufio.Writer  // nil for JSON
	object *output.Object // nil for text
	count  int
	ended  bool // later problems are ignored
}

func (p *problemPrinter) print(found *table.SyntaxError) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return context.Canceled
	}
	p.count++
	if p.object != nil {
		return p.object.Element(problemJSON{found.Line, found.Device, found.Word, found.Text, found.Rule})
	}
	_, err := fmt.Fprintf(p.text, "%s: %s\n", p.path, output.OneLine(found))
	return err
}

// end writes the rest; failed is why reading stopped early.
func (p *problemPrinter) end(failed error) (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.object == nil {
		if err := p.text.Flush(); err != nil {
			return fmt.Errorf("writing the result: %w", err)
		}
		return nil
	}
	p.object.EndList()
	if failed != nil {
		err = p.object.Field("error", output.OneLine(failed))
	}
	return cmp.Or(err, p.object.Close(true))
}

func lintVersion(c *cli.Context) (*gate.Version, error) {
	var v gate.Version
	var err error
	switch text := c.String("target-version"); {
	case text != "" && c.Bool("running"):
		return nil, usagef("table lint: --target-version and --running do not go together")
	case text != "":
		if v, err = gate.ParseVersion(text); err != nil {
			return nil, usagef("table lint: %v", err)
		}
	case c.Bool("running"):
		if v, err = check.AskRunning(false); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	return &v, nil
}
