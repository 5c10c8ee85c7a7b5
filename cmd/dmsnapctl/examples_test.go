package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/testdata/thorough"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
)

// continued is the end of a line of shell that continues in the next.
var continued = regexp.MustCompile(`(?: *\\|( &&))\n *`)

// examplesOf are the examples of a help text, continued lines joined.
func examplesOf(c *cli.Command) []string {
	_, text, _ := strings.Cut(c.Description, "EXAMPLES:\n")
	text = continued.ReplaceAllString(text, "$1 ")
	var out []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}

// exampleTools are the other tools that examples call, and what stands in for
// them.
var exampleTools = map[string]string{
	"dmsetup": `case "$*" in
		table) echo "vol: 0 2048 linear 8:0 0" ;;
		targets) echo "snapshot         v1.16.0" ;;
		"table vol") echo "0 2048 linear 8:0 0" ;;
		"table --concise") echo "vol,,,rw,0 2048 linear 8:0 0" ;;
		*) cat >/dev/null ;; esac`,
	"parallel": `call=
		while test "$1" != :::; do call="$call $1"; shift; done
		shift
		for i; do eval "$(echo "$call" | sed "s/{}/$i/g")" || test $? = 1; done`,
	"jq": "cat >/dev/null", "man": "cat >/dev/null", "zstd": "cat", "bmaptool": `test -s "$3"`, "e2fsck": `test -s "$2" && exit 1`,
}

// exampleFiles are in the directory where the examples of a command run. Paths
// of devices and of a mounted system are taken below that directory.
func exampleFiles(t *testing.T) map[string][]byte {
	t.Helper()
	store := cowtest.Store{Chunk: 8, Exceptions: cowtest.Canonical(8, cowtest.Run(0, 30)...)}
	full, stale := store, store
	full.Invalid = true
	stale.Stale = cowtest.Canonical(8, cowtest.Run(40, 1)...)
	disk := bytes.Repeat([]byte("content "), 3<<15)
	changed := stale.Bytes()
	copy(changed[2*4096:], disk) // after the header and the only area
	log, module := unzipped(t, "crash/leaky.log.gz"), fixture(t, "modules/amd64-leaky.ko.xz")
	return map[string][]byte{
		"overlay.img": store.Bytes(), "store.img": store.Bytes(), "cow.img": changed, "full.img": full.Bytes(),
		"base.img": disk, "disk.img": disk, "snapshot.img": disk, "full.qcow2": disk,
		"dev/vg/root": disk, "dev/vg/new": disk, "dev/vg/cow": leakedStore(t),
		"dev/mapper/vg-snap-cow": store.Bytes(), "dev/mapper/vg-old-cow": store.Bytes(),
		"log.img": log, "dev/vdc": log, "before.img": unzipped(t, "crash/base.img.gz"), "table.txt": []byte("0 2048 linear 8:0 0\n"),
		"dm-snapshot.ko.xz": module, "mnt/lib/modules/6.1.0-fixture/kernel/drivers/md/dm-snapshot.ko.xz": module,
	}
}

// exampleScripts puts tools where examples find them, and returns the
// environment.
func exampleScripts(t *testing.T, dir string, tools map[string]string) []string {
	t.Helper()
	for name, script := range tools {
		place(t, filepath.Join(dir, "bin", name), []byte("#!/bin/sh\n"+script+"\n"), 0o755)
	}
	return append(os.Environ(), "PATH="+filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
}

func place(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
}

func fixture(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile("../../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func unzipped(t *testing.T, name string) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(fixture(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// leakedStore is what a leaky kernel leaves after some crashes.
func leakedStore(t *testing.T) []byte {
	t.Helper()
	dir := t.TempDir()
	args := strings.Fields("dmsnapctl crash simulate --kernel leaky --exceptions 600 --in-flight 32 --crashes 3 --out")
	if code := run(context.Background(), append(args, dir), streams{out: io.Discard, err: io.Discard}); code != exitWarning {
		t.Fatalf("exit code %d of simulating leaks", code)
	}
	content, err := os.ReadFile(filepath.Join(dir, "crash-3.cow"))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// exampleFirst is run once before the examples of a command.
var exampleFirst = map[string]string{
	"dmsnapctl apply":      "rm before.img", // of the device, elsewhere
	"dmsnapctl reclaim":    "cp dev/vg/cow cow.img",
	"dmsnapctl size":       "cp store.img dev/vg/cow",
	"dmsnapctl rescue":     "mv full.img overlay.img",
	"dmsnapctl revalidate": "mv full.img overlay.img",
	"dmsnapctl restore":    "dmsnapctl dump cow.img -o cow.dump && dmsnapctl repair cow.img --undo cow.undo --yes",
}

// onKernels are the commands whose examples make, use or look for devices of
// device mapper or mounts.
var onKernels = strings.Fields("activate clone create grow list merge monitor mount recover remove rename reset resume status suspend with-snapshot")

// needsKernel reports whether an example of a command can only run on a kernel
// with device mapper, as root.
func needsKernel(name, example string) bool {
	_, command, _ := strings.Cut(name, " ")
	return slices.Contains(onKernels, command) || strings.HasPrefix(example, "dmsnapctl status") ||
		strings.Contains(example, "--lvm") || strings.Contains(example, "crash record ") || strings.Contains(example, "crash mark ")
}

// takesLong reports whether an example takes as much CPU as all the others.
func takesLong(example string) bool { return strings.Contains(example, "crash simulate --rates") }

// TestExamplesOfTheHelpTexts runs each example, one after the other, if it can
// run without a kernel. Those that take long run only in thorough tests.
// TestExamplesOnAKernel runs the others; here they must at least be command lines
// that the program understands.
func TestExamplesOfTheHelpTexts(t *testing.T) {
	ran, files := 0, exampleFiles(t)
	everyCommand(func(name string, c *cli.Command) {
		here := sync.OnceValues(func() (dir string, env []string) {
			dir = t.TempDir()
			for name, content := range files {
				place(t, filepath.Join(dir, name), content, 0o644)
			}
			env = exampleScripts(t, dir, exampleTools)
			if first := exampleFirst[name]; first != "" {
				bash(t, dir, env, first)
			}
			return dir, env
		})
		for _, example := range examplesOf(c) {
			t.Run(example, func(t *testing.T) {
				if needsKernel(name, example) || takesLong(example) && !thorough.All() {
					understood(t, example)
					return
				}
				ran++
				dir, env := here()
				runExample(t, dir, env, example)
			})
		}
	})
	if ran < 50 {
		t.Errorf("%d examples ran: some are not found any more", ran)
	}
}

// everyCommand calls do for each command, and for each other manual page with
// examples of commands: the program's own, and dmsnap-crash(7).
func everyCommand(do func(name string, c *cli.Command)) {
	app := newApp(streams{})
	do(app.Name, &cli.Command{Description: manualText})
	do(crashPage, &cli.Command{Description: pageExamples("../../packaging/man/dmsnap-crash.7")})
	visible(app, do)
}

const crashPage = "dmsnap-crash(7)"

// pageExamples returns the examples of a hand-written manual page, in the form of
// a help text.
func pageExamples(path string) string {
	page, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	_, section, _ := strings.Cut(string(page), "\n.Sh EXAMPLES\n")
	section, _, _ = strings.Cut(section, "\n.Sh ")
	text := "EXAMPLES:\n"
	for _, part := range strings.Split(section, "\n.Bd -literal")[1:] {
		_, part, _ = strings.Cut(part, "\n") // the rest of the request
		part, _, _ = strings.Cut(part, ".Ed")
		text += strings.NewReplacer(`\-`, "-", `\e`, `\`).Replace(part)
	}
	return text
}

// exampleExit depends on the files: a leaky module, a log of a leaky kernel.
func exampleExit(example string) int {
	leaks := regexp.MustCompile(`^dmsnapctl (check --(target-version 1.11|.*--root|module)|crash (explore|combine|simulate --kernel leaky))`)
	if leaks.MatchString(example) {
		return exitWarning
	}
	return exitFine
}

func runExample(t *testing.T, dir string, env []string, example string) {
	t.Helper()
	script := strings.NewReplacer(" /dev/sdX", " dev/sdX", " /dev/", " dev/", " /mnt", " mnt", " /var/lib/node_exporter/", " ").Replace(example)
	code, said := bash(t, dir, env, script)
	if want := exampleExit(example); code != want && (code != exitUnknown || !asksThisMachine(example)) {
		t.Errorf("exit code %d, want %d\n%.600s", code, want, said)
	}
}

// bash runs a line of shell.
func bash(t *testing.T, dir string, env []string, script string) (code int, said string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", "set -o pipefail; "+script)
	cmd.Dir, cmd.Env = dir, env
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(out)
}

// asksThisMachine reports whether an example is about the kernels of the
// machine that runs the test, which may have none that can be judged.
func asksThisMachine(example string) bool {
	return example == "dmsnapctl check" || strings.Contains(example, "--all-kernels") && !strings.Contains(example, "--root")
}

// understood takes the calls of the program out of a line of shell, and makes
// the program parse them without running them.
func understood(t *testing.T, example string) {
	cut := strings.NewReplacer("||", "\n", "&&", "\n", "|", "\n", ";", "\n").Replace(example)
	for call := range strings.Lines(cut) {
		words := shellWords(t, call)
		if len(words) == 0 || words[0] != "dmsnapctl" {
			continue
		}
		app := newApp(streams{out: &bytes.Buffer{}, err: &bytes.Buffer{}})
		inert(app.Commands)
		line, err := arrange(app, words)
		if err == nil {
			err = app.RunContext(context.Background(), line.args())
		}
		if err != nil {
			t.Errorf("%s: %v", strings.TrimSpace(call), err)
		}
	}
}

// inert reduces commands to reading their flags.
func inert(commands []*cli.Command) {
	for _, c := range commands {
		if len(c.Subcommands) == 0 {
			c.Action = func(*cli.Context) error { return nil }
		}
		inert(c.Subcommands)
	}
}

// shellWords splits a call into words as the shell does.
func shellWords(t *testing.T, call string) []string {
	// In a separate directory: the shell opens the files that a line redirects
	// to.
	cmd := exec.Command("bash", "-c", `eval "set -- $0"; printf '%s\0' "$@"`, strings.TrimSpace(call))
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", call, err, out)
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}
