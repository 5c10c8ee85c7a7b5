package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"testing"
)

// A file that a command reads must not receive its result or its errors, for
// example by `verify store 1<>store` or by stderr.
func TestStreamsAreNoInput(t *testing.T) {
	log, base := unzipped(t, "crash/stock.log.gz"), unzipped(t, "crash/base.img.gz")
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	for name, content := range map[string][]byte{
		"log": log, "base": base, "other": b.read("store"),
		"table": []byte("0 8 wrong\n"), "targets": []byte("snapshot v1.16.0\n"), "module": []byte("no module"),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const crash = " --log log --base base --origin 0+16384 --cow 16384+32768"
	part, _ := b.run(exitFine, "crash explore --json --shard 1/1"+crash)
	if err := os.WriteFile("part", []byte(part), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, inputs := range map[string]string{
		"verify store --origin origin":                "store origin",
		"verify --json store --origin origin":         "store origin",
		"map store":                                   "store",
		"size store --origin origin":                  "store origin",
		"delta store --origin origin --against other": "store origin other",
		"dump store":                                  "store",
		"dump store -o new":                           "store",
		"extract store --origin origin -o new":        "store origin",
		"extract store --origin origin -o -":          "store origin",
		"extract store --origin origin -o new --only-changes --backing origin --side origin --content other": "store origin other",
		"mount store --origin origin new":                               "store origin",
		"repair store --origin origin --dry-run":                        "store origin",
		"reclaim store --dry-run":                                       "store",
		"revalidate store --origin origin --origin-sha256 00 --dry-run": "store origin",
		"apply store --to origin --dry-run":                             "store origin",
		"rescue store --origin origin":                                  "store origin",
		"restore lines new --data store --size 160K --yes":              "lines store",
		"restore lines store --yes":                                     "lines store",
		"crash explore" + crash:                                         "log base",
		"crash explore --upper log --upper-view origin" + crash:         "log base",
		"crash state --state e10 --out new" + crash:                     "log base",
		"crash combine part":                                            "part",
		"table lint table":                                              "table",
		"table concise table":                                           "table",
		"check --targets targets":                                       "targets",
		"check --targets targets -o new":                                "targets",
		"check --module module":                                         "module",
	} {
		for _, input := range strings.Fields(inputs) {
			before := b.read(input)
			for _, streams := range []string{"stdout", "stderr", "stdout stderr"} {
				code, said := runInto(t, line, input, streams)
				if code != exitUsage || streams == "stdout" && !strings.Contains(said, "stdout") {
					t.Errorf("%s, %s to %s: exit code %d, want %d: %q", line, streams, input, code, exitUsage, said)
				}
				if exists("new") || !bytes.Equal(b.read(input), before) {
					t.Fatalf("%s, %s to %s: something was written", line, streams, input)
				}
			}
		}
	}
}

// runInto runs a command line with some of its streams redirected into a file,
// and returns the output of the others.
func runInto(t *testing.T, line, file, redirected string) (code int, said string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var rest bytes.Buffer
	stream := func(name string) io.Writer {
		if strings.Contains(redirected, name) {
			return f
		}
		return &rest
	}
	code = run(context.Background(), append([]string{"dmsnapctl"}, strings.Fields(line)...),
		streams{in: strings.NewReader(""), out: stream("stdout"), err: stream("stderr")})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return code, rest.String()
}

// A name may lead to a file that is not named on the command line.
func TestOpenInputLooksAtStreams(t *testing.T) {
	b := newToolbox(t)
	f, err := os.OpenFile("store", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	o := &console{out: f, err: io.Discard}
	if file, err := o.openInput("store"); exitCodeOf(err) != exitUsage {
		t.Errorf("%v, %v", file, err)
	}
	o.out = io.Discard
	file, err := o.openInput("store")
	if err != nil || file.Size() != int64(len(b.read("store"))) {
		t.Fatalf("%v, %v", file, err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}
