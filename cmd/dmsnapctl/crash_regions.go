// The flags --origin and --cow of the crash commands: the places of the origin
// and its stores on the logged device.

package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// regions are an origin and its stores, in sectors of 512 bytes. Both are
// optional for some commands.
type regions struct {
	origin *crash.Region
	stores []crash.Region
	grown  []crash.Growth
	// flags are the flags that name them, in sectors of the logged device.
	flags []string
	// warning is printed if the user counted in other units.
	warning string
}

// regionsAsWritten reads the flags in their own unit.
func regionsAsWritten(c *cli.Context) (r regions, err error) {
	if c.IsSet("origin") {
		origin, err := regionFlag("origin", c.String("origin"))
		if err != nil {
			return r, err
		}
		r.origin = &origin
	}
	for _, text := range c.StringSlice("cow") {
		store, err := regionFlag("cow", text)
		if err != nil {
			return r, err
		}
		r.stores = append(r.stores, store)
	}
	for _, text := range c.StringSlice("grown") {
		grown, err := crash.ParseGrowth(text)
		if err != nil {
			return r, usagef("--grown: %v", err)
		}
		r.grown = append(r.grown, grown)
	}
	return r, nil
}

// on finds the unit of the regions on the device of a log.
func (r regions) on(l *logwrites.Log, base io.ReaderAt, size int64) (regions, error) {
	unit, err := crash.Unit(l, base, size, r.stores)
	if err != nil {
		return r, err
	}
	sector := cow.Sectors(l.SectorSize / cow.SectorSize)
	out := regions{}
	scale := func(flag string, as crash.Region) (crash.Region, error) {
		at, err := as.Times(unit)
		if err != nil {
			return at, usagef("%s: %v", flag, err)
		}
		if at.Start%sector != 0 || at.Len%sector != 0 {
			return at, usagef("%s: region %v is not in whole blocks of the logged device, which have %d bytes", flag, as, l.SectorSize)
		}
		out.flags = append(out.flags, fmt.Sprintf("%s %v", flag, crash.Region{Start: at.Start / sector, Len: at.Len / sector}))
		return at, nil
	}
	if r.origin != nil {
		origin, err := scale("--origin", *r.origin)
		if err != nil {
			return r, err
		}
		out.origin = &origin
	}
	for _, s := range r.stores {
		store, err := scale("--cow", s)
		if err != nil {
			return r, err
		}
		out.stores = append(out.stores, store)
	}
	for _, g := range r.grown {
		if g.Region, err = g.Region.Times(unit); err != nil {
			return r, usagef("--grown: %v", err)
		}
		out.grown = append(out.grown, g)
	}
	if unit != sector {
		out.warning = fmt.Sprintf("the regions hold a store only if they count sectors of 512 bytes, not the log's of %d, and are taken so; in the log's sectors they are %s", l.SectorSize, out)
	}
	return out, nil
}

func (r regions) String() string { return strings.Join(r.flags, " ") }
