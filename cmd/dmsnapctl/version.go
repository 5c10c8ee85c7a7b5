// The version: release, commit and Go, as the program was built.

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// Set by the linker, as the Makefile does; empty where somebody builds the
// program another way.
var (
	release = ""
	commit  = ""
)

// printVersion is the library's way to print the version.
func printVersion(c *cli.Context) {
	_, _ = fmt.Fprintf(c.App.Writer, "%s version %s\n", c.App.Name, version()) // the stream remembers
}

// version is what --version prints behind the program's name: the release, the
// commit and the Go version.
func version() string {
	info, _ := debug.ReadBuildInfo() // nil tells nothing
	return versionOf(release, commit, info)
}

// versionOf prefers what the linker was told to what Go noted.
func versionOf(release, commit string, info *debug.BuildInfo) string {
	if info != nil {
		if release == "" {
			release = info.Main.Version
		}
		if commit == "" {
			commit = commitOf(info)
		}
	}
	if release == "" {
		release = "(devel)"
	}
	if commit == "" {
		commit = "unknown"
	}
	return release + " (commit " + commit + ", " + runtime.Version() + ")"
}

// commitOf is the commit that Go noted when it built from a repository.
func commitOf(info *debug.BuildInfo) string {
	const short = 12
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(len(s.Value), short)]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-modified"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + modified
}
