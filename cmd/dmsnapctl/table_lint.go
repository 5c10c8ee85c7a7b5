// The commands table lint and table concise.

package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

const tableLintHelp = `   Names line, word and rule of everything that is wrong with the table in FILE
   (- for stdin). With --target-version, or --running, that includes what the
   snapshot target of that version, or of this kernel, does not accept. Exit code
   0 is fine, 2 is not.

EXAMPLES:
   dmsetup table vol | dmsnapctl table lint -
   dmsnapctl table lint --target-version 1.14.0 table.txt`

const tableConciseHelp = `   Writes the table in FILE (- for stdin) in the concise form, which dmsetup
   create --concise and the kernel's dm-mod.create= read. With --parse, FILE is in
   the concise form, and its tables are printed.

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

type lintJSON struct {
	Schema   string        `json:"schema"`
	Problems []problemJSON `json:"problems"`
}

type problemJSON struct {
	Line int    `json:"line"`
	Word int    `json:"word"`
	Text string `json:"text"`
	Rule string `json:"rule"`
}

func runTableLint(c *cli.Context) error {
	o := outputOf(c)
	version, err := lintVersion(c)
	if err != nil {
		return err
	}
	text, err := readText(c, c.Args().First())
	if err != nil {
		return err
	}
	problems := table.Lint(text, version)
	if o.json {
		out := lintJSON{Schema: schemaOf(o.command), Problems: []problemJSON{}}
		for _, p := range problems {
			out.Problems = append(out.Problems, problemJSON{p.Line, p.Word, p.Text, p.Rule})
		}
		if err := o.printJSON(out); err != nil {
			return err
		}
	} else {
		for _, p := range problems {
			if _, err := fmt.Fprintf(o.out, "%s: %v\n", c.Args().First(), p); err != nil {
				return err
			}
		}
	}
	if len(problems) > 0 {
		return exitStatus(exitCritical)
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
		if v, err = askKernel(false); err != nil {
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
		_, err = fmt.Fprintln(o.out, text)
		return err
	}
	for _, d := range devices {
		if _, err := fmt.Fprintf(o.out, "%s:\n%s", d.Name, d.Table); err != nil {
			return err
		}
	}
	return nil
}

func conciseDevices(c *cli.Context) ([]table.Device, error) {
	if !c.Bool("parse") {
		if err := needFlags(c, "name"); err != nil {
			return nil, err
		}
	}
	text, err := readText(c, c.Args().First())
	if err != nil {
		return nil, err
	}
	if c.Bool("parse") {
		return table.ParseConcise(text)
	}
	t, err := table.Parse(text)
	return []table.Device{{
		Name: c.String("name"), UUID: c.String("uuid"), Minor: c.String("minor"),
		ReadOnly: c.Bool("read-only"), Table: t,
	}}, err
}

func conciseForMachines(o *output, devices []table.Device, text string) conciseJSON {
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
