// The command resume: continue a suspended snapshot's I/O.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const resumeHelp = `   Continues I/O to a suspended snapshot.

EXAMPLES:
   dmsnapctl resume snap --yes`

func resumeCommand() *cli.Command {
	return planCommand("resume", "continue I/O to a snapshot", "NAME", resumeHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanResume(c.Context, c.Args().First())
		})
}
