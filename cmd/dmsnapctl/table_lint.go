// The commands table lint and table concise.

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
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

const tableConciseHelp = `   Writes the table in FILE (- for stdin) in the concise form, which dmsetup
   create --concise and the kernel's dm-mod.create= read. With --parse, FILE is in
   the concise form, and its tables are printed; line and word in messages then
   mean device and field. A table with mistakes is refused.

EXAMPLES:
   dmsnapctl table concise --name vol table.txt
   dmsetup table --concise | dmsnapctl table concise --parse -`

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
	p := &problemPrinter{out: bufio.NewWriter(o.out), path: output.Name(path)}
	if o.json {
		p.schema = schemaOf(o.command)
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
	schema string // "" for text
	mu     sync.Mutex
	out    *bufio.Writer
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
	if p.schema == "" {
		_, err := fmt.Fprintf(p.out, "%s: %s\n", p.path, output.OneLine(found))
		return err
	}
	separator := ","
	if p.count == 1 {
		separator = p.head()
	}
	return p.part(separator, problemJSON{found.Line, found.Device, found.Word, found.Text, found.Rule})
}

func (p *problemPrinter) head() string { return fmt.Sprintf(`{"schema":%q,"problems":[`, p.schema) }

// part writes lead and then a value of the object.
func (p *problemPrinter) part(lead string, v any) error {
	_, _ = p.out.WriteString(lead) // the next write returns the error
	var b bytes.Buffer
	if err := output.JSON(&b, v); err != nil {
		return err
	}
	_, err := p.out.Write(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
	return err
}

// end writes the rest; failed is why reading stopped early.
func (p *problemPrinter) end(failed error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	if p.schema != "" {
		if p.count == 0 {
			_, _ = p.out.WriteString(p.head()) // Flush returns the error
		}
		_, _ = p.out.WriteString("]")
		if failed != nil {
			_ = p.part(`,"error":`, output.OneLine(failed))
		}
		_, _ = p.out.WriteString("}\n")
	}
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
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

func tableConciseCommand() *cli.Command {
	return &cli.Command{
		Name:        "concise",
		Usage:       "convert to and from the concise form",
		ArgsUsage:   "FILE",
		Description: tableConciseHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "name", Usage: "the device's `NAME`"},
			&cli.StringFlag{Name: "uuid", Usage: "the device's `UUID`"},
			&cli.StringFlag{Name: "minor", Usage: "the device's minor `NUMBER`"},
			&cli.BoolFlag{Name: "read-only", Usage: "the device is read-only"},
			&cli.BoolFlag{Name: "parse", Usage: "read the concise form"},
		},
		Action: withArgs("FILE", runTableConcise),
	}
}

type conciseJSON struct {
	Schema  string        `json:"schema"`
	Devices []deviceTable `json:"devices"`
	Concise string        `json:"concise"`
}

type deviceTable struct {
	Name     string   `json:"name"`
	UUID     string   `json:"uuid"`
	Minor    string   `json:"minor"`
	ReadOnly bool     `json:"read_only"`
	Lines    []string `json:"lines"`
}

func runTableConcise(c *cli.Context) error {
	o := outputOf(c)
	devices, err := conciseDevices(c)
	if err != nil {
		return err
	}
	text := table.FormatConcise(devices)
	switch {
	case o.json:
		return o.printJSON(conciseForMachines(o, devices, text))
	case !c.Bool("parse"):
		_, err = fmt.Fprintln(output.Raw(o.out), text) // for dmsetup
		return err
	}
	for _, d := range devices {
		if _, err := fmt.Fprintf(output.Raw(o.out), "%s:\n%s", d.Name, d.Table); err != nil {
			return err
		}
	}
	return nil
}

// conciseDevices reads what the command converts. A mistake in the text is an
// error that wraps *table.SyntaxError.
func conciseDevices(c *cli.Context) ([]table.Device, error) {
	device, err := conciseFlags(c)
	if err != nil {
		return nil, err
	}
	text, err := readText(c, c.Args().First())
	if err != nil {
		return nil, err
	}
	var devices []table.Device
	if c.Bool("parse") {
		devices, err = conciseText(text)
	} else {
		devices, err = conciseTable(device, text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Args().First(), err)
	}
	return devices, nil
}

// conciseFlags is the device that the flags describe.
func conciseFlags(c *cli.Context) (table.Device, error) {
	d := table.Device{
		Name: c.String("name"), UUID: c.String("uuid"), Minor: c.String("minor"), ReadOnly: c.Bool("read-only"),
	}
	if c.Bool("parse") {
		for _, name := range []string{"name", "uuid", "minor", "read-only"} {
			if c.IsSet(name) {
				return d, usagef("table concise: --%s and --parse do not go together", name)
			}
		}
		return d, nil
	}
	if err := needFlags(c, "name"); err != nil {
		return d, err
	}
	if err := dmctl.CheckName(d.Name); err != nil {
		return d, usagef("table concise: --name %v", err)
	}
	if err := dmctl.CheckUUID(d.UUID); err != nil {
		return d, usagef("table concise: --uuid: %v", err)
	}
	if err := table.CheckMinor(d.Minor); err != nil {
		return d, usagef("table concise: --minor %s: %v", d.Minor, err)
	}
	return d, nil
}

// conciseTable gives a device the table in text, which must pass lint.
func conciseTable(d table.Device, text string) ([]table.Device, error) {
	var problems []error
	for _, p := range table.Lint(text, nil) {
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	var err error
	d.Table, err = table.Parse(text)
	return []table.Device{d}, err
}

// conciseText reads the concise form.
func conciseText(text string) ([]table.Device, error) {
	devices, err := table.ParseConcise(text)
	if err != nil {
		return nil, err
	}
	var problems []error
	for i, d := range devices {
		for field, err := range []error{dmctl.CheckName(d.Name), dmctl.CheckUUID(d.UUID)} {
			if err != nil {
				problems = append(problems, &table.SyntaxError{Line: i + 1, Word: field + 1, Rule: err.Error()})
			}
		}
		var bad *table.SyntaxError
		if errors.As(d.Check(), &bad) {
			bad.Line = i + 1
			problems = append(problems, bad)
		}
	}
	return devices, errors.Join(problems...)
}

func conciseForMachines(o *console, devices []table.Device, text string) conciseJSON {
	out := conciseJSON{Schema: schemaOf(o.command), Devices: []deviceTable{}, Concise: text}
	for _, d := range devices {
		lines := strings.Split(strings.TrimSuffix(d.Table.String(), "\n"), "\n")
		if len(d.Table) == 0 {
			lines = []string{}
		}
		out.Devices = append(out.Devices, deviceTable{d.Name, d.UUID, d.Minor, d.ReadOnly, lines})
	}
	return out
}
