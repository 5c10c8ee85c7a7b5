package main

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func TestCompletion(t *testing.T) {
	root := fstest.MapFS{
		"sys/class/block/dm-0/dm/name": {Data: []byte("snap\n")},
		"sys/class/block/dm-0/dm/uuid": {Data: []byte("DMSNAP-000000000000000000000000-8.16-snap\n")},
		"lib/modules/6.1.0-9/x":        {},
		"lib/modules/6.12.0/x":         {},
	}
	for _, c := range []struct {
		line  string // words separated by spaces; the last one is being typed
		want  []string
		paths string
	}{
		{"ver", []string{"verify"}, ""},
		{"crash exp", []string{"explore"}, ""},
		{"check --target", []string{"--target-version", "--targets"}, ""},
		{"check --format p", []string{"prometheus"}, ""},
		{"check --format=p", []string{"--format=prometheus"}, ""},
		{"check --advisory CVE", []string{"CVE-2013-4299"}, ""},
		{"check --kernel ", []string{"6.1.0-9", "6.12.0"}, ""},
		{"--json check --kernel 6.12", []string{"6.12.0"}, ""},
		{"table snapshot --store P", []string{"P", "PO"}, ""},
		{"crash explore --expect l", []string{"leaky"}, ""},
		{"remove ", []string{"snap"}, ""},
		{"rename snap ", nil, ""},
		{"create ", nil, ""},
		{"create new --origin /dev/m", []string{"/dev/mapper/snap"}, anyFiles},
		{"verify /dev/", []string{"/dev/mapper/snap"}, anyFiles},
		{"map x -o ", nil, anyFiles},
		{"crash simulate --out ", nil, folders},
		{"verify x y", nil, ""},
		{"verify --no-such ", []string{"/dev/mapper/snap"}, anyFiles},
		{"no-such ", nil, ""},
	} {
		got := newCompletion(newApp(streams{}), root).of(strings.Split(c.line, " "))
		var words []string
		for _, one := range got.candidates {
			words = append(words, one.word)
		}
		if c.line == "no-such " { // then commands are offered
			words = nil
		}
		if diff := cmp.Diff(c.want, words); diff != "" || got.paths != c.paths {
			t.Errorf("%q: paths %q, want %q; -want +got:\n%s", c.line, got.paths, c.paths, diff)
		}
	}
}
