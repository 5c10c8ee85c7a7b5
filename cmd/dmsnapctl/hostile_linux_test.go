package main

// Names that could forge rows, colour terminals or end a label, in every
// command that shows names to people and in every line format.

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/dmsnapctl/dmsnapctl/dmctl/dmtest"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
)

// hostile is a name with everything that must not get through: colours, a
// forged row, C1 controls in both encodings, bidi controls, bytes that are not
// UTF-8, quotes.
const hostile = "h\x1b[31m\nforged: clean\r\u202e\u2066\x9b\xff\u009b\u2028ä\t|'\"}"

// wantTame requires a text that cannot control a terminal and has no row
// forged by a name. Colours are off, because there is no terminal.
func wantTame(t *testing.T, locale, what, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Errorf("%s, %s: no UTF-8: %q", locale, what, text)
	}
	for _, r := range text {
		switch {
		case r == '\n' || r == '\t' && strings.Contains(what, "table"):
		case !unicode.IsPrint(r):
			t.Errorf("%s, %s: %q in %q", locale, what, r, text)
			return
		case locale == "C" && r >= utf8.RuneSelf && !strings.HasPrefix(what, "data"):
			t.Errorf("%s, %s: %q in %q", locale, what, r, text)
			return
		}
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "forged") {
			t.Errorf("%s, %s: a forged row in %q", locale, what, text)
			return
		}
	}
}

// inLocales runs a test in an ASCII locale and in a UTF-8 locale.
func inLocales(t *testing.T, do func(t *testing.T, locale string)) {
	for _, locale := range []string{"C", "C.UTF-8"} {
		t.Run(locale, func(t *testing.T) {
			t.Setenv("LC_ALL", locale)
			do(t, locale)
		})
	}
}

// wantTameRun runs a command line and checks all that it prints.
func wantTameRun(t *testing.T, locale string, args ...string) (stdout string) {
	t.Helper()
	stdout, stderr, code := commanded(context.Background(), args...)
	what := strings.Join(args, " ")
	if code == exitUsage {
		t.Errorf("%q: a usage error: %s", what, stderr)
	}
	wantTame(t, locale, "stderr of "+what, stderr)
	for _, arg := range args {
		if arg == "--json" || arg == "json" || arg == "prometheus" || arg == "facts" || arg == "svg" || arg == "bmap" {
			what = "data " + what
		}
	}
	wantTame(t, locale, what, stdout)
	if strings.Contains(what, "json") || strings.Contains(what, "facts") {
		for line := range strings.Lines(stdout) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%q: no JSON: %q", what, line)
			}
		}
	}
	return stdout
}

// TestHostileFileNames: stores, origins, logs, modules and tables with hostile
// names.
func TestHostileFileNames(t *testing.T) {
	store, origin, log, module, broken := hostile+"store", hostile+"origin", hostile+"log", hostile+"module", hostile+"broken"
	with := func(b toolbox) {
		b.write(store, b.read("store"))
		b.write(origin, b.read("origin"))
		b.write(broken, []byte(strings.Repeat("garbage ", 1024)))
		b.write(module, []byte("\x7fELF"))
		b.write(log, hostileLog(t))
	}
	inLocales(t, func(t *testing.T, locale string) {
		with(newToolbox(t))
		absent := hostile + "absent"
		for _, args := range [][]string{
			{"verify", store}, {"verify", broken}, {"verify", absent}, {"verify", "--json", store}, {"verify", "--origin", origin, store}, {"verify", "--origin", absent, store},
			{"map", store}, {"map", broken}, {"map", "--json", store}, {"map", "--output", hostile + "map.svg", store}, {"map", "--output", "no/" + hostile + ".svg", store},
			{"size", store}, {"size", absent}, {"delta", store}, {"delta", "--format", "bmap", "--origin", origin, store}, {"delta", broken},
			{"dump", store}, {"dump", "-o", hostile + "dump", store},
			{"extract", store, "--origin", origin, "-o", hostile + "image"}, {"extract", broken, "--origin", origin, "-o", "x"},
			{"repair", "--dry-run", store}, {"repair", "--yes", "--undo", hostile + "undo", store}, {"reclaim", "--dry-run", store}, {"reclaim", "--to", hostile + "compact", store, "--yes"}, {"reclaim", "--dry-run", "--to", hostile + "other", store},
			{"apply", "--dry-run", store, "--to", origin}, {"apply", store, "--to", origin, "--yes"}, {"revalidate", "--origin-unchanged", "--dry-run", store},
			{"restore", hostile + "dump", hostile + "restored"}, {"rescue", store, "--origin", origin}, {"rescue", broken, "--origin", origin},
			{"check", "--module", module}, {"check", "--module", module, "--format", "nagios"}, {"check", "--module", module, "--format", "prometheus"}, {"check", "--module", module, "--format", "facts"}, {"check", "--module", module, "--json"},
			{"check", "--all-kernels", "--root", absent}, {"check", "--targets", broken}, {"check", "--module", module, "-o", "no/" + hostile},
			{"table", "lint", broken}, {"table", "lint", "--json", broken}, {"table", "lint", absent},
			{"crash", "explore", "--log", log, "--origin", "0+80", "--cow", "80+80"}, {"crash", "explore", "--log", log, "--origin", "0+80", "--cow", "80+80", "--json"}, {"crash", "explore", "--log", log, "--origin", "0+80", "--cow", "80+80", "--report", hostile + "report.html", "--timeline", hostile + "timeline.svg"},
			{"crash", "explore", "--log", log, "--origin", "0+80", "--cow", "80+80", "--from-mark", "none of that name"}, {"crash", "explore", "--log", log, "--origin", "0+80", "--cow", "80+80", "--from-mark", hostile}, {"crash", "explore", "--log", broken, "--origin", "0+80", "--cow", "80+80"},
			{"crash", "state", "--log", log, "--state", "0", "--out", hostile + "state"}, {"crash", "combine", broken},
			{"crash", "simulate", "--in-flight", "2", "--exceptions", "9", "--out", hostile + "simulated"},
		} {
			wantTameRun(t, locale, args...)
		}
		if _, stderr, code := commanded(context.Background(), hostile); code != exitUsage {
			t.Errorf("a hostile command: exit code %d", code)
		} else {
			wantTame(t, locale, "usage", stderr)
		}
		for _, file := range []string{hostile + "map.svg", hostile + "timeline.svg", hostile + "report.html"} {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			wantTame(t, locale, "data "+file[len(hostile):], string(content))
			if strings.HasSuffix(file, ".svg") {
				wantXML(t, file, content)
			}
		}
	})
}

// hostileLog is a log of a store that leaks, with a hostile mark.
func hostileLog(t *testing.T) []byte {
	t.Helper()
	const chunk = 8
	block := func(b []byte) []byte { return append(b, make([]byte, toolChunk-len(b))...) }
	var log bytes.Buffer
	w := logwrites.NewWriter(&log, cow.SectorSize, 8)
	for _, e := range []struct {
		logwrites.Entry
		data []byte
	}{
		{logwrites.Entry{Sector: 10 * chunk, Sectors: chunk}, block(cow.NewHeader(chunk).AppendTo(nil))},
		{logwrites.Entry{Sector: 11 * chunk, Sectors: chunk}, block(nil)},
		{logwrites.Entry{Flags: logwrites.Flush}, nil},
		{logwrites.Entry{Flags: logwrites.Mark, Text: hostile}, nil},
		{logwrites.Entry{Sector: 14 * chunk, Sectors: chunk}, block(nil)},
		{logwrites.Entry{Flags: logwrites.Flush}, nil},
		{logwrites.Entry{Sector: 11 * chunk, Sectors: chunk, Flags: logwrites.FUA}, block(cow.Exception{Old: 1, New: 4}.AppendTo(nil))},
		{logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil},
	} {
		if err := w.Write(e.Entry, e.data); err != nil {
			t.Fatal(err)
		}
	}
	return log.Bytes()
}

func wantXML(t *testing.T, file string, content []byte) {
	t.Helper()
	decoder := xml.NewDecoder(bytes.NewReader(content))
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Errorf("%q is no XML: %v", file, err)
			return
		}
	}
}

// hostileMachine has a snapshot, a merge and an origin with names given by
// others.
func hostileMachine(t *testing.T) *dmtest.Machine {
	t.Helper()
	m := dmtest.New()
	onMachine(t, m)
	add := func(name string, minor uint32, spec table.Spec, status string) {
		m.Devices = append(m.Devices, &dmtest.Device{
			Name: name, Dev: blockdev.DevNo{Major: 253, Minor: minor}, Live: table.Single(2048, spec), Status: status,
		})
	}
	add(hostile, 70, table.Snapshot{Origin: "8:0", COW: "8:1", Store: table.Persistent, ChunkSize: 8}, "1024/2048 16")
	add("z"+hostile, 71, table.Snapshot{Origin: "8:0", COW: "8:2", Store: table.Persistent, ChunkSize: 8}, "Invalid")
	return m
}

// TestHostileDeviceNames: active devices, in all formats.
func TestHostileDeviceNames(t *testing.T) {
	inLocales(t, func(t *testing.T, locale string) {
		m := hostileMachine(t)
		for _, args := range [][]string{
			{"list"}, {"list", "--json"}, {"status"}, {"status", "--json"},
			{"status", "--format", "nagios"}, {"status", "--format", "nagios", "-w", "10"}, {"status", "--format", "prometheus"},
			{"status", hostile}, {"verify", "/dev/mapper/" + hostile}, {"merge", hostile, "--yes"}, {"remove", hostile, "--yes"}, {"remove", hostile, "--dry-run"},
			{"rename", hostile, "new", "--yes"}, {"grow", hostile, "--dry-run"}, {"suspend", hostile}, {"resume", hostile}, {"recover", "--dry-run"},
			{"create", hostile, "--origin", "/dev/a", "--cow", "/dev/b", "--dry-run"}, {"create", hostile, "--origin", hostile, "--cow", hostile, "--dry-run"},
			{"create", "new", "--origin", "/dev/a", "--cow", "/dev/b", "--dry-run"}, {"activate", hostile, "--origin", "/dev/a", "--cow", hostile, "--dry-run"},
			{"clone", hostile, "--base", hostile, "--store-dir", hostile, "--dry-run"}, {"reset", hostile, "--dry-run"},
			{"crash", "record", "--device", hostile, "--log", hostile, "--dry-run", "--", "true"}, {"crash", "record", "--device", "/dev/a", "--log", "/dev/b", "--mark", hostile, "--dry-run", "--", "true"},
		} {
			wantTameRun(t, locale, args...)
		}
		if got := must(t, "list"); strings.Count(got, "\n") != 3 {
			t.Errorf("%d lines of two snapshots and their heading:\n%s", strings.Count(got, "\n"), got)
		}
		if got, _, _ := commanded(context.Background(), "status", "--format", "nagios"); strings.Count(got, "\n") != 1 || strings.Count(got, "|") != 1 {
			t.Errorf("a nagios line: %q", got)
		}
		wantTameMonitor(t, locale, m)
	})
}

// wantTameMonitor runs the monitor until it has printed its first lines.
func wantTameMonitor(t *testing.T, locale string, m *dmtest.Machine) {
	t.Helper()
	for _, flags := range [][]string{nil, {"--json"}} {
		ctx, cancel := context.WithCancelCause(context.Background())
		time.AfterFunc(300*time.Millisecond, func() { cancel(signalled{syscall.SIGTERM}) })
		file := t.TempDir() + "/metrics.prom"
		stdout, stderr, code := commanded(ctx, append([]string{"monitor", "--interval", "1ms", "--threshold", "1", "--textfile", file}, flags...)...)
		if code != exitFine || stdout == "" {
			t.Errorf("monitor: exit code %d, %q, %s", code, stdout, stderr)
		}
		wantTame(t, locale, strings.TrimSpace("monitor "+strings.Join(flags, "")), stderr)
		what := "monitor"
		if flags != nil {
			what = "data monitor"
		}
		wantTame(t, locale, what, stdout)
		metrics, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		wantTame(t, locale, "data metrics", string(metrics))
	}
}
