// The command crash: the crash verifier, a family of commands.

package main

import (
	"github.com/urfave/cli/v2"
)

const crashHelp = `   Shows what a crash could have left at any moment of a workload. "record" runs
   a workload on a device under dm-log-writes, "mark" marks its log, "explore" judges
   every legal crash state of the log, "combine" adds up the reports of parts,
   "state" writes one state to a file, and "simulate" crashes a model of the
   kernel's allocator.

EXAMPLES:
   dmsnapctl crash record --device /dev/vdb --log /dev/vdc --yes -- ./workload
   dmsnapctl crash explore --log /dev/vdc --origin 0+16384 --cow 16384+32768
   dmsnapctl crash state --log /dev/vdc --state 159+160 --out state.img
   dmsnapctl crash simulate --kernel leaky --exceptions 10000 --in-flight 32`

func crashCommand() *cli.Command {
	return &cli.Command{
		Name:        "crash",
		Usage:       "judge every crash of a workload, not just the one that happened",
		Category:    categoryCrash,
		Description: crashHelp,
		Subcommands: []*cli.Command{
			crashRecordCommand(),
			crashMarkCommand(),
			crashExploreCommand(),
			crashCombineCommand(),
			crashStateCommand(),
			crashSimulateCommand(),
		},
	}
}
