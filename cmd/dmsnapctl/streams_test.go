package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"syscall"
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

// fullStream is a stdout on a full device.
type fullStream struct{}

func (fullStream) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Path: "/dev/stdout", Err: syscall.ENOSPC}
}

// runFull runs a command line with a full stdout. It returns the exit code and
// the last line of stderr.
func runFull(line string) (code int, last string) {
	var complaint bytes.Buffer
	code = run(context.Background(), append([]string{"dmsnapctl"}, strings.Fields(line)...),
		streams{in: strings.NewReader(""), out: fullStream{}, err: &complaint})
	lines := strings.Split(strings.TrimSuffix(complaint.String(), "\n"), "\n")
	return code, lines[len(lines)-1]
}

// TestFullStdout: a result that did not arrive is never a success.
func TestFullStdout(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	b.write("targets", []byte("snapshot v1.16.0\n"))
	b.write("wrong", []byte("0 8 snapshot 8:0 8:0 P 8\n"))
	b.write("table", []byte("0 8 zero\n"))
	before := b.read("store")
	for _, line := range []string{
		"verify store", "map store", "size store", "size --origin-size 1G --chunk-size 4K", "delta store", "dump store",
		"delta store --format bmap --origin origin", "extract store --origin origin -o -",
		"repair store --dry-run", "reclaim store --dry-run", "reclaim store --to new --dry-run", "reclaim store",
		"revalidate store --origin-unchanged --dry-run", "apply store --to origin --dry-run", "grow store --by 4K --dry-run",
		"restore lines store --dry-run", "rescue store --origin origin", "rescue store --origin origin --yes",
		"check --targets targets", "table lint wrong", "table concise table --name x", "crash simulate --exceptions 10",
		"manual", "--help", "dump --help", "--version",
	} {
		for _, form := range []string{"", " --json"} {
			want := exitUnknown
			if form == "" && line == "reclaim store" || form != "" && (strings.Contains(line, "-o -") || strings.Contains(line, "bmap") || line == "reclaim store") {
				want = exitUsage
			}
			code, last := runFull(line + form)
			if code != want || want == exitUnknown && !strings.Contains(last, "no space left on device") {
				t.Errorf("%s%s: exit code %d, want %d: %s", line, form, code, want, last)
			}
		}
	}
	if !bytes.Equal(b.read("store"), before) || exists("new") {
		t.Error("something was written")
	}
}

// TestFullStdoutAfterTheWork: the error says that the work is done.
func TestFullStdoutAfterTheWork(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "dump store -o lines")
	store, origin := b.read("store"), b.read("origin")
	for line, done := range map[string]func() bool{
		"extract store --origin origin -o image":                  func() bool { return bytes.Equal(b.read("image"), b.shows) },
		"extract store --origin origin -o image --json":           func() bool { return bytes.Equal(b.read("image"), b.shows) },
		"extract store --origin origin -o image2 --format qcow2":  func() bool { return exists("image2") },
		"reclaim store --yes":                                     func() bool { b.run(exitFine, "verify store"); return true },
		"reclaim store --yes --json":                              func() bool { b.run(exitFine, "verify store"); return true },
		"reclaim store --to anew --yes":                           func() bool { b.run(exitFine, "verify anew"); return true },
		"apply store --to origin --yes":                           func() bool { return bytes.Equal(b.read("origin"), b.shows) },
		"restore lines new --data store --size 160K --yes --json": func() bool { return exists("new") },
		"grow store --by 4K --yes":                                func() bool { return len(b.read("store")) == len(store)+toolChunk },
	} {
		b.write("store", store)
		b.write("origin", origin)
		code, last := runFull(line)
		if code != exitUnknown || !strings.Contains(last, "only its result could not be shown: ") || !strings.Contains(last, "no space left on device") {
			t.Errorf("%s: exit code %d: %s", line, code, last)
		}
		if !done() {
			t.Errorf("%s: it is not done", line)
		}
	}
}
