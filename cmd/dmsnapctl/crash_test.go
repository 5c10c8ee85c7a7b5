// Scripts for the crash commands, on logs that real kernels wrote.

//go:build !kernel

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/cow/cowtest"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
)

// Scripts find the logs, unpacked, in $LOGS.
func TestCrashScripts(t *testing.T) {
	logs := t.TempDir()
	packed, err := filepath.Glob(filepath.Join("..", "..", "testdata", "crash", "*.gz"))
	if err != nil || len(packed) < 3 {
		t.Fatalf("fixtures: %q, %v", packed, err)
	}
	for _, path := range packed {
		unpack(t, path, filepath.Join(logs, strings.TrimSuffix(filepath.Base(path), ".gz")))
	}
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("..", "..", "testdata", "script", "crash"),
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"code": code},
		Condition:           condition,
		RequireUniqueNames:  true,
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LOGS", logs)
			return nil
		},
	})
}

func unpack(t *testing.T, from, to string) {
	t.Helper()
	if err := os.WriteFile(to, cowtest.Unpack(t, from), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestReproducerOfSecondStore: with two stores on a device of larger blocks,
// the printed line gives all regions in its sectors, and does what it says.
func TestReproducerOfSecondStore(t *testing.T) {
	const block = 4096
	dir := t.TempDir()
	base := make([]byte, 30*block)
	for _, store := range []int{10, 20} {
		copy(base[store*block:], cow.NewHeader(block/cow.SectorSize).AppendTo(nil))
	}
	basePath, logPath, imagePath := filepath.Join(dir, "base.img"), filepath.Join(dir, "a log"), filepath.Join(dir, "state.img")
	if err := os.WriteFile(basePath, base, 0o666); err != nil {
		t.Fatal(err)
	}
	area := append(cow.Exception{Old: 1, New: 4}.AppendTo(nil), make([]byte, block-cow.ExceptionSize)...) // chunks 2 and 3 leak
	var log bytes.Buffer
	w := logwrites.NewWriter(&log, block, 4)
	for _, e := range []struct {
		logwrites.Entry
		data []byte
	}{
		{logwrites.Entry{Sector: 24, Sectors: 1}, make([]byte, block)},
		{logwrites.Entry{Flags: logwrites.Flush | logwrites.FUA}, nil},
		{logwrites.Entry{Sector: 21, Sectors: 1, Flags: logwrites.FUA}, area},
		{logwrites.Entry{Flags: logwrites.Mark, Text: logwrites.EndMark}, nil},
	} {
		if err := w.Write(e.Entry, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(logPath, log.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, regions := range [][]string{{"0+10", "10+10", "20+10"}, {"0+80", "80+80", "160+80"}} {
		var out, complaints bytes.Buffer
		args := []string{"dmsnapctl", "crash", "explore", "--log", logPath, "--base", basePath, "--origin", regions[0], "--cow", regions[1], "--cow", regions[2]}
		if code := run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitWarning {
			t.Fatalf("exit code %d\n%s%s", code, out.String(), complaints.String())
		}
		line := "crash state --log '" + logPath + "' --base " + basePath + " --origin 0+10 --cow 10+10 --cow 20+10 --state 1+2 --out state.img"
		for _, want := range []string{"at entry 2, in store 1 (--cow 20+10): 2 chunks", line} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%q: %q is not in\n%s", regions, want, out.String())
			}
		}
		args = []string{"dmsnapctl", "crash", "state", "--log", logPath, "--base", basePath, "--origin", regions[0], "--cow", regions[1], "--cow", regions[2], "--state", "1+2/1@1", "--out", imagePath}
		if code := run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitFine {
			t.Fatalf("exit code %d\n%s%s", code, out.String(), complaints.String())
		}
		image, err := os.ReadFile(imagePath)
		if err != nil || len(image) != len(base) {
			t.Fatalf("an image of %d bytes, %v", len(image), err)
		}
		if got, want := cow.DecodeException(image[21*block+cow.ExceptionSize:]), (cow.Exception{Old: 0, New: 5}); got != want {
			t.Errorf("%q: the second store goes on with %+v, want %+v", regions, got, want)
		}
		if err := os.Remove(imagePath); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSimulationIsInterrupted: it reports what was done.
func TestSimulationIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	picture := filepath.Join(t.TempDir(), "rates.svg")
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--exceptions", "1000000"}, "interrupted after 0 of 1 crash"},
		{[]string{"--rates", picture}, "interrupted after 0 points; " + picture + " was not written"},
	} {
		var out, complaints bytes.Buffer
		args := append([]string{"dmsnapctl", "crash", "simulate"}, c.args...)
		if code := run(ctx, args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitInterrupted || out.Len() > 0 {
			t.Errorf("%q: exit code %d\n%s", c.args, code, out.String())
		}
		if !strings.Contains(complaints.String(), c.want) {
			t.Errorf("%q: stderr %q", c.args, complaints.String())
		}
	}
}

// TestExploreIsInterrupted: it reports what is known and how much was
// explored, with --json in one object.
func TestExploreIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"stock.log", "base.img"} {
		unpack(t, filepath.Join("..", "..", "testdata", "crash", name+".gz"), filepath.Join(dir, name))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out, complaints bytes.Buffer
	args := []string{"dmsnapctl", "crash", "explore", "--log", filepath.Join(dir, "stock.log"), "--base", filepath.Join(dir, "base.img"), "--origin", "0+16384", "--cow", "16384+32768", "--json"}
	if code := run(ctx, args, streams{in: strings.NewReader(""), out: &out, err: &complaints}); code != exitInterrupted {
		t.Errorf("exit code %d", code)
	}
	var report crash.Report
	if err := json.Unmarshal(out.Bytes(), &report); err != nil || report.ExploredEntries >= report.Entries {
		t.Errorf("explored %d of %d entries, %v\n%s", report.ExploredEntries, report.Entries, err, out.String())
	}
	if headline := report.Headline(); !strings.HasPrefix(headline, "unfinished: ") {
		t.Errorf("half an exploration says %q", headline)
	}
	if !strings.Contains(complaints.String(), "interrupted; the result covers crashes before entry") {
		t.Errorf("stderr: %q", complaints.String())
	}
}

// TestExplorationFitsTheTerminal: no line about the findings is wider than the
// terminal, except commands to be copied.
func TestExplorationFitsTheTerminal(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"torn.log", "torn.img", "leaky.log", "base.img"} {
		unpack(t, filepath.Join("..", "..", "testdata", "crash", name+".gz"), filepath.Join(dir, name))
	}
	for _, log := range [][2]string{{"torn.log", "torn.img"}, {"leaky.log", "base.img"}} {
		for columns, wanted := range map[string]int{"": 80, "80": 80, "132": 132, "50": 50} {
			t.Setenv("COLUMNS", columns)
			var out, complaints bytes.Buffer
			args := []string{"dmsnapctl", "crash", "explore", "--log", filepath.Join(dir, log[0]), "--base", filepath.Join(dir, log[1]), "--origin", "0+16384", "--cow", "16384+32768", "--from-mark", "frozen", "--crashes", "2"}
			run(context.Background(), args, streams{in: strings.NewReader(""), out: &out, err: &complaints})
			widest := 0
			for _, line := range strings.Split(out.String(), "\n") {
				if strings.HasPrefix(line, "next: ") {
					continue
				}
				widest = max(widest, len(line))
				if strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
					t.Errorf("%s: not ASCII: %q", log[0], line)
				}
			}
			if widest > wanted || widest < wanted-2 {
				t.Errorf("%s: a line of %d columns in a terminal of %q\n%s", log[0], widest, columns, out.String())
			}
		}
	}
}
