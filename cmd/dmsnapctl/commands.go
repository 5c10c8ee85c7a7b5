// The command tree, in the order in which help shows it.

package main

import "github.com/urfave/cli/v2"

// Categories of the help text.
const (
	categoryJudge   = "Judge a store"
	categoryKernel  = "Judge a kernel"
	categoryControl = "Control snapshots"
	categoryTools   = "Store tools"
	categoryCrash   = "Crash verifier"
)

func commands(run runner) []*cli.Command {
	return []*cli.Command{
		verifyCommand(),
		mapCommand(),
		sizeCommand(),
		deltaCommand(),
		extractCommand(),
		mountCommand(),
		dumpCommand(),
		repairCommand(),
		reclaimCommand(),
		applyCommand(),
		revalidateCommand(),
		restoreCommand(),
		rescueCommand(run),
		checkCommand(),
		createCommand(),
		cloneCommand(),
		resetCommand(),
		statusCommand(),
		listCommand(),
		removeCommand(),
		activateCommand(),
		mergeCommand(),
		growCommand(),
		renameCommand(),
		suspendCommand(),
		resumeCommand(),
		recoverCommand(),
		withSnapshotCommand(),
		monitorCommand(),
		tableCommand(),
		crashCommand(),
		manualCommand(),
		generatorCommand(),
		completeCommand(),
	}
}
