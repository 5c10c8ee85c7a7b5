// The version: release, commit and Go, as the program was built.

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/urfave/cli/v2"
)

// Set by the linker, as in the Makefile; empty if the program is built another
// way.
var (
	release = ""
	commit  = ""
)

// printVersion is called by the library to print the version.
func printVersion(c *cli.Context) {
	_, _ = fmt.Fprintf(c.App.Writer, "%s version %s\n", c.App.Name, version()) // the stream keeps the error
}

// version is what --version prints after the program's name: the release, the
// commit and the Go version.
func version() string {
	info, _ := debug.ReadBuildInfo() // nil if there is none
	return versionOf(release, commit, info)
}

// versionOf prefers the linker's values to those that Go recorded.
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

// commitOf is the commit that Go recorded when it built from a repository.
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
