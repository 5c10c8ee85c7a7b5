// The command table concise.

package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

const tableConciseHelp = `   Writes the table in FILE (- for stdin) in the concise form, which dmsetup
   create --concise and the kernel's dm-mod.create= read. With --parse, FILE is in
   the concise form, and its tables are printed; line and word in messages then
   mean device and field. A table with mistakes is refused.

EXAMPLES:
   dmsnapctl table concise --name vol table.txt
   dmsetup table --concise | dmsnapctl table concise --parse -`

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
