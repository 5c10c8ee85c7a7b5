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

// makers make the commands, in the order of the help text. A command line makes
// only the command it names, so that the program starts fast.
func makers(run runner) []maker {
	return []maker{
		{"verify", verifyCommand},
		{"map", mapCommand},
		{"size", sizeCommand},
		{"delta", deltaCommand},
		{"extract", extractCommand},
		{"mount", mountCommand},
		{"dump", dumpCommand},
		{"repair", repairCommand},
		{"reclaim", reclaimCommand},
		{"apply", applyCommand},
		{"revalidate", revalidateCommand},
		{"restore", restoreCommand},
		{"rescue", func() *cli.Command { return rescueCommand(run) }},
		{"check", checkCommand},
		{"create", createCommand},
		{"clone", cloneCommand},
		{"reset", resetCommand},
		{"status", statusCommand},
		{"list", listCommand},
		{"remove", removeCommand},
		{"activate", activateCommand},
		{"merge", mergeCommand},
		{"grow", growCommand},
		{"rename", renameCommand},
		{"suspend", suspendCommand},
		{"resume", resumeCommand},
		{"recover", recoverCommand},
		{"with-snapshot", withSnapshotCommand},
		{"monitor", monitorCommand},
		{"table", tableCommand},
		{"crash", crashCommand},
		{"manual", manualCommand},
		{"systemd-generator", generatorCommand},
		{"complete", completeCommand},
	}
}

type maker struct {
	name string
	make func() *cli.Command
}

// commands makes all commands.
func commands(run runner) []*cli.Command {
	var all []*cli.Command
	for _, m := range makers(run) {
		all = append(all, m.make())
	}
	return all
}

// commandsFor returns the commands that a command line needs: the one named by
// its first word, or all if that is not a command or is one that uses the
// others.
func commandsFor(run runner, args []string) []*cli.Command {
	if len(args) < 2 || args[1] == "manual" || args[1] == "complete" {
		return commands(run)
	}
	for _, m := range makers(run) {
		if m.name == args[1] {
			return []*cli.Command{m.make()}
		}
	}
	return commands(run)
}
