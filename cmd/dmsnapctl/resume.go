// The command resume: a suspended snapshot's I/O goes on.

package main

import (
	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
)

const resumeHelp = `   Lets I/O to a suspended snapshot go on.

EXAMPLES:
   dmsnapctl resume snap --yes`

func resumeCommand() *cli.Command {
	return planCommand("resume", "let I/O to a snapshot go on", "NAME", resumeHelp,
		func(c *cli.Context, ctl *dmctl.Controller) (*dmctl.Plan, error) {
			return ctl.PlanResume(c.Context, c.Args().First())
		})
}
