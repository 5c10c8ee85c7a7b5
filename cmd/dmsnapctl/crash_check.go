// The flags of crash explore that run a checker on the images of states.

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/crash"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/check"
	"github.com/dmsnapctl/dmsnapctl/verify/crash/logwrites"
	"github.com/dmsnapctl/dmsnapctl/verify/shellstatus"
)

func checkFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "check", Usage: "run `CMD` on the image of each distinct state, a private writable file; {} is its path, which is appended if there is no {}; any exit status but 0 is a failure"},
		viewFlag(crash.SnapshotView),
		&cli.StringFlag{Name: "check-ok", Usage: "other good exit `STATUSES` of --check, as in 1 or 1,2"},
		&cli.DurationFlag{Name: "check-timeout", Value: check.DefaultTimeout, Usage: "limit --check to `TIME` for each state"},
	}
}

func viewFlag(otherwise crash.View) cli.Flag {
	return &cli.StringFlag{Name: "view", Value: string(otherwise), Usage: "show this `VIEW` in the image: snapshot, origin or disk"}
}

// checkerOf reads the flags; nil without --check.
func checkerOf(c *cli.Context) (*check.Options, error) {
	if !c.IsSet("check") {
		for _, name := range []string{"view", "check-ok", "check-timeout"} {
			if c.IsSet(name) {
				return nil, usagef("crash explore: --%s needs --check CMD", name)
			}
		}
		return nil, nil
	}
	o := &check.Options{Command: c.String("check"), Environment: stateEnvironment, View: crash.SnapshotView, Jobs: c.Int("jobs"), Timeout: c.Duration("check-timeout")}
	if o.Timeout <= 0 {
		return nil, usagef("--check-timeout: %v; write a time above 0, as in 30s", o.Timeout)
	}
	var err error
	if c.IsSet("view") {
		if o.View, err = crash.ParseView(c.String("view")); err != nil {
			return nil, usagef("--view: %v", err)
		}
	}
	if c.IsSet("check-ok") {
		if o.Good, err = statuses(c.String("check-ok")); err != nil {
			return nil, err
		}
	}
	if err := o.Check(); err != nil {
		return nil, usagef("--check: %v", err)
	}
	return o, nil
}

// stateEnvironment tells a checker what it checks.
func stateEnvironment(s *crash.Shown) []string {
	return []string{"DMSNAPCTL_STATE=" + s.State.String(), "DMSNAPCTL_VIEW=" + string(s.View)}
}

// mostStatus is a checker's highest own exit status: higher ones mean that it
// could not be run or was killed.
const mostStatus = shellstatus.NotExecutable - 1

func statuses(text string) (list []int, err error) {
	for _, word := range strings.Split(text, ",") {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 || n > mostStatus {
			return nil, usagef("--check-ok: %q is not an exit status; write numbers from 0 to %d, separated by commas", word, mostStatus)
		}
		list = append(list, n)
	}
	return list, nil
}

// exploreWith explores, with a checker if there is one.
func exploreWith(ctx context.Context, l *logwrites.Log, opt crash.Options, checker *check.Options) (*crash.Report, error) {
	if checker == nil {
		return crash.Explore(ctx, l, opt)
	}
	return check.Explore(ctx, l, opt, *checker)
}

// checks says what a checker found.
func (s *sheet) checks(r *crash.Report) {
	c := r.Checks
	if c.Command == "" {
		return
	}
	s.line("checker", "%s, on the %s: %d distinct images, %d failed, %d without an answer; run %s", c.Command, c.View,
		c.CheckedStates, c.FailedChecks, c.UndecidedChecks, count.Of(c.Runs, "time"))
	for i, f := range c.Failures {
		if i == 3 {
			s.line("", "and more; --json shows %d", len(c.Failures))
			break
		}
		s.line("", "state %s: %s", f.State, f.Why)
	}
}

// failedCheck describes the first image that the checker did not find good.
func failedCheck(r *crash.Report, width int) string {
	if len(r.Failures) == 0 {
		return ""
	}
	f := r.Failures[0]
	told := wrapWords(fmt.Sprintf("first image the checker does not find good, at entry %d: state %s", f.Entry, f.State), width)
	return fmt.Sprintf("\n%s\n", strings.Join(told, "\n"))
}

// checkedImage is the command that writes the first such image to a file.
func checkedImage(r *crash.Report, reproduce string) string {
	f, store := r.Failures[0], ""
	if f.Store > 0 && r.Checks.View == crash.SnapshotView {
		store = fmt.Sprintf(" --store %d", f.Store)
	}
	return fmt.Sprintf("%s --state %s --view %s%s --out image.img", reproduce, f.State, r.Checks.View, store)
}
