// Arguments, sizes and flags as values for the packages below.

package main

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// withArgs runs action with exactly these arguments. A name in brackets is
// optional; a last name with dots may repeat. A command is refused if its
// result or errors would overwrite a file that it names.
func withArgs(names string, action cli.ActionFunc) cli.ActionFunc {
	fields := strings.Fields(names)
	required, most := 0, len(fields)
	for _, f := range fields {
		if !strings.HasPrefix(f, "[") {
			required++
		}
		if strings.HasSuffix(strings.TrimSuffix(f, "]"), "...") {
			most = math.MaxInt
		}
	}
	return func(c *cli.Context) error {
		switch n := c.NArg(); {
		case n < required:
			return usagef("%s: missing %s; see '%s --help'", commandName(c), fields[n], c.Command.HelpName)
		case n > most:
			return usagef("%s: unexpected argument %q; see '%s --help'", commandName(c), c.Args().Get(most), c.Command.HelpName)
		}
		if i := slices.Index(c.Args().Slice(), ""); i >= 0 && i < len(fields) { // an unset variable of a script
			return usagef("%s: %s is empty; see '%s --help'", commandName(c), strings.Trim(fields[i], "[].…"), c.Command.HelpName)
		}
		if err := outputOf(c).checkInput(namedFiles(c, fields)...); err != nil {
			return err
		}
		return action(c)
	}
}

// namedFiles are the arguments and flag values that may be files, except the
// command line of a command to run.
func namedFiles(c *cli.Context, fields []string) []string {
	args := c.Args().Slice()
	if i := slices.IndexFunc(fields, func(f string) bool { return strings.Contains(f, "COMMAND") }); i >= 0 {
		args = args[:min(i, len(args))]
	}
	files := slices.Clone(args)
	for _, f := range c.Command.Flags {
		switch name := f.Names()[0]; f.(type) {
		case *cli.StringFlag:
			files = append(files, c.String(name))
		case *cli.StringSliceFlag:
			files = append(files, c.StringSlice(name)...)
		}
	}
	return files
}

func commandName(c *cli.Context) string {
	return strings.TrimPrefix(c.Command.HelpName, c.App.Name+" ")
}

// parseSize reads a size from the command line: bytes, or with k/K, M, G, T
// (1024-based) or s (sectors of 512 bytes).
func parseSize(s string) (bytes uint64, err error) {
	digits, unit := s, uint64(1)
	if n := len(s); n > 0 {
		factors := map[byte]uint64{'k': 1 << 10, 'K': 1 << 10, 'M': 1 << 20, 'G': 1 << 30, 'T': 1 << 40, 's': cow.SectorSize}
		if f, ok := factors[s[n-1]]; ok {
			digits, unit = s[:n-1], f
		}
	}
	v, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || v > math.MaxUint64/unit {
		return 0, usagef("%q is not a size; write bytes, or a number with k, M, G, T (1024-based) or s (sectors)", s)
	}
	return v * unit, nil
}

// sizeFlag reads the flag name as a size; ok reports whether it was given.
func sizeFlag(c *cli.Context, name string) (bytes uint64, ok bool, err error) {
	if !c.IsSet(name) {
		return 0, false, nil
	}
	bytes, err = parseSize(c.String(name))
	if err != nil {
		return 0, false, usagef("--%s: %v", name, err)
	}
	return bytes, true, nil
}

// growBy reads a flag that says by how many bytes a file grows; 0 without it.
func growBy(c *cli.Context, flag string) (int64, error) {
	by, given, err := sizeFlag(c, flag)
	if err == nil && given && (by == 0 || by > math.MaxInt64) {
		err = usagef("%s: --%s %s: want more than 0, and less than 8 EiB", commandName(c), flag, c.String(flag))
	}
	return int64(by), err
}

// needFlags returns a usage error if one of these flags is missing.
func needFlags(c *cli.Context, names ...string) error {
	for _, name := range names {
		if !c.IsSet(name) || c.String(name) == "" { // the text of a missing list is not empty
			return usagef("%s: missing --%s; see '%s --help'", commandName(c), name, c.Command.HelpName)
		}
	}
	return nil
}

// formatFlag reads --format; --json stands for one format.
func formatFlag(c *cli.Context, o *console, formats []string) (string, error) {
	format := c.String("format")
	switch {
	case !slices.Contains(formats, format):
		return "", usagef("%s: unknown format %q; want one of: %s", commandName(c), format, strings.Join(formats, ", "))
	case o.json && c.IsSet("format") && format != formatJSON:
		return "", usagef("%s: --json and --format %s exclude each other", commandName(c), format)
	case o.json:
		return formatJSON, nil
	}
	return format, nil
}

// percentFlag reads a percentage.
func percentFlag(c *cli.Context, name string) (float64, error) {
	percent := c.Float64(name)
	if !(percent >= 0 && percent <= 100) { // also refuses NaN
		return 0, usagef("%s: --%s %v: want a percentage from 0 to 100", commandName(c), name, percent)
	}
	return percent, nil
}

// parseSectors reads a flag's size, which must be whole sectors.
func parseSectors(flag, text string) (cow.Sectors, error) {
	bytes, err := parseSize(text)
	if err != nil {
		return 0, usagef("--%s: %v", flag, err)
	}
	if bytes%cow.SectorSize != 0 {
		return 0, usagef("--%s %s: not a whole number of sectors of %d bytes", flag, text, cow.SectorSize)
	}
	return cow.Sectors(bytes / cow.SectorSize), nil
}

// sectorsFlag reads a size that must be whole sectors.
func sectorsFlag(c *cli.Context, name string) (cow.Sectors, error) {
	return parseSectors(name, c.String(name))
}

func hasFlag(c *cli.Context, name string) bool { return findFlag(c.Command.Flags, name) != nil }
