package main

import (
	"runtime"
	"runtime/debug"
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
