//go:build linux

// How a demonstration ends: what dmsnapctl says about the store that remains.

package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/vagrant/lab/demo/scene"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Ending is the result of one kernel's crash.
type Ending struct {
	Kernel  string
	Version string // of the target "snapshot"
	Gate    string // the verdict of check on the version: fixed or leaky
	Store   string // file of the COW store
	Origin  string // file of the origin
	Report  Report
}

// Report is the part of `dmsnapctl verify --json` that the demonstration shows.
type Report struct {
	Exit    int `json:"-"` // exit code of verify
	Verdict string
	Usage   struct {
		Exceptions uint64
		Figures
	}
	Leaks struct {
		Chunks uint64
		Ranges []Range
	}
}

// Figures are the sectors that both verify and the kernel's status line give.
type Figures struct {
	Allocated uint64 `json:"allocated_sectors"`
	Metadata  uint64 `json:"metadata_sectors"`
	Total     uint64 `json:"total_sectors"`
}

// Status is a snapshot in `dmsnapctl status --json`.
type Status struct {
	State string
	Figures
}

// Range is a range of chunks of the COW store, both ends included.
type Range struct{ First, Last uint64 }

func (r Range) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

func (r Report) String() string {
	return r.Verdict + ", " + count.Of(r.Usage.Exceptions, "exception")
}

// String returns the result of the demonstration in one line.
func (e Ending) String() string {
	line := fmt.Sprintf("%s %s: %s, %s leaked", e.Kernel, e.Version, e.Gate, count.Of(e.Report.Leaks.Chunks, "chunk"))
	if len(e.Report.Leaks.Ranges) == 0 {
		return line
	}
	var ranges []string
	for _, r := range e.Report.Leaks.Ranges {
		ranges = append(ranges, r.String())
	}
	return line + " (" + strings.Join(ranges, ", ") + ")"
}

// Judge reports whether the endings are as expected. A store without exceptions
// would prove nothing.
func Judge(stock, leaky Ending) error {
	var wrong []error
	expect := func(ok bool, e Ending, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Errorf("%s kernel: expected "+format, append([]any{e.Kernel}, args...)...))
		}
	}
	for _, e := range []Ending{stock, leaky} {
		n := e.Report.Usage.Exceptions
		expect(n >= scene.Committed, e, "at least %s, found %d", count.Of(scene.Committed, "exception"), n)
	}
	expect(stock.Gate == "fixed", stock, "a fixed target, found %s %s", stock.Version, stock.Gate)
	expect(stock.Report.Verdict == "clean" && stock.Report.Exit == 0, stock, "a clean store, found %s, exit code %d",
		stock.Report.Verdict, stock.Report.Exit)
	expect(stock.Report.Leaks.Chunks == 0, stock, "no leaked chunk, found %d", stock.Report.Leaks.Chunks)
	expect(leaky.Gate == "leaky", leaky, "a leaky target, found %s %s", leaky.Version, leaky.Gate)
	expect(leaky.Report.Verdict == "leaked" && leaky.Report.Exit == 1, leaky, "a leaked store, found %s, exit code %d",
		leaky.Report.Verdict, leaky.Report.Exit)
	expect(leaky.Report.Leaks.Chunks > 0, leaky, "leaked chunks, found none")
	return errors.Join(wrong...)
}

// verify judges the store with dmsnapctl itself, as a user would. Its exit code
// is part of the answer.
func (s *Stage) verify(ctx context.Context, store string) (Report, error) {
	answer, err := exec.CommandContext(ctx, s.tool(), "verify", "--json", store).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return Report{}, fmt.Errorf("verify %s: %w", store, err)
	}
	var report Report
	if exit != nil {
		report.Exit = exit.ExitCode()
	}
	if err := json.Unmarshal(answer, &report); err != nil {
		return Report{}, fmt.Errorf("verify %s: read its answer, exit code %d: %w", store, report.Exit, err)
	}
	return report, nil
}

// readStatus reads the only snapshot from `dmsnapctl status --json`.
func readStatus(text string) (Status, error) {
	var answer struct{ Snapshots []Status }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return Status{}, fmt.Errorf("read the status %q: %w", text, err)
	}
	if n := len(answer.Snapshots); n != 1 {
		return Status{}, fmt.Errorf("the status %q names %s instead of one", text, count.Of(n, "snapshot"))
	}
	return answer.Snapshots[0], nil
}

func (s *Stage) tool() string { return filepath.Join(s.programs, "dmsnapctl") }
