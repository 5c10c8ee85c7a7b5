package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersionTellsReleaseCommitAndGo(t *testing.T) {
	goVersion := runtime.Version()
	info := func(version, revision, modified string) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: []debug.BuildSetting{
			{Key: "vcs.modified", Value: modified}, {Key: "vcs.revision", Value: revision},
		}}
	}
	const revision = "0123456789abcdef0123456789abcdef01234567"
	for _, tt := range []struct {
		release, commit string
		info            *debug.BuildInfo
		want            string
	}{
		{"1.2.3", "abc", info("v0.0.1", revision, "true"), "1.2.3 (commit abc, " + goVersion + ")"},
		{"", "", info("v0.0.1", revision, "false"), "v0.0.1 (commit 0123456789ab, " + goVersion + ")"},
		{"", "", info("v0.0.1", revision, "true"), "v0.0.1 (commit 0123456789ab-modified, " + goVersion + ")"},
		{"1.2.3", "", &debug.BuildInfo{}, "1.2.3 (commit unknown, " + goVersion + ")"},
		{"", "", nil, "(devel) (commit unknown, " + goVersion + ")"},
	} {
		if got := versionOf(tt.release, tt.commit, tt.info); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// --version is a global flag: it may stand before or after the command.
func TestVersionAfterACommand(t *testing.T) {
	for _, line := range [][]string{{"--version"}, {"verify", "--version"}, {"crash", "explore", "--version"}} {
		stdout, stderr, code := commanded(context.Background(), line...)
		if code != exitFine || stdout != "dmsnapctl version "+version()+"\n" || stderr != "" {
			t.Errorf("%v: exit code %d, %q, %q", line, code, stdout, stderr)
		}
	}
}

// The words of a group are those of all its commands.
func TestExitStatusOfCrash(t *testing.T) {
	stdout, _, _ := commanded(context.Background(), "crash", "--help")
	if strings.Contains(stdout, "a log is full") || !strings.Contains(stdout, "3    not done, or findings that are not determined") {
		t.Errorf("the help says:\n%s", stdout)
	}
}
