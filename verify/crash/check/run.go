package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Shell is what runs a checker's command line.
const shell = "/bin/sh"

// How a checker's run can end.
type end int

const (
	good      end = iota
	bad           // it says that the image is damaged
	undecided     // it says nothing: it took too long, or was killed
	unusable      // it cannot be run at all
)

// Exit statuses of a shell that do not come from the checker: it could not be
// run, was not found, or was killed by signal N (128+N).
const (
	statusNotRun = 126
	statusSignal = 128
)

// outcome is what came of a run.
type outcome struct {
	end    end
	status int    // of exit, -1 where there is none
	why    string // for people; with the end of what the checker said
}

// line is the command line for an image: {} is its path, which else is appended.
func line(command, path string) string {
	quoted := "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	if !strings.Contains(command, "{}") {
		return command + " " + quoted
	}
	return strings.ReplaceAll(command, "{}", quoted)
}

// grace is how long a checker has to end after SIGTERM.
const grace = 2 * time.Second

// run runs the checker on the image at path, and ends it, with all the
// processes of its group, when ctx ends or its time is over.
func (o *Options) run(ctx context.Context, path string, env []string) outcome {
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	said := &tail{}
	c := exec.CommandContext(ctx, shell, "-c", line(o.Command, path))
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = said, said
	inGroup(c)
	c.Cancel = func() error { return signalGroup(c, syscall.SIGTERM) }
	c.WaitDelay = grace
	err := c.Run()
	_ = signalGroup(c, syscall.SIGKILL) // what it left behind
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return outcome{undecided, -1, said.after(fmt.Sprintf("it took more than %v", o.timeout()))}
	case ctx.Err() != nil:
		return outcome{undecided, -1, "interrupted"}
	}
	return o.judge(c, err, said)
}

// judge tells what the end of a checker means.
func (o *Options) judge(c *exec.Cmd, err error, said *tail) outcome {
	if c.ProcessState == nil {
		return outcome{unusable, -1, fmt.Sprintf("the checker cannot be run: %v", err)}
	}
	switch status := c.ProcessState.ExitCode(); {
	case status == 0 || status > 0 && slices.Contains(o.Good, status):
		return outcome{good, status, ""}
	case status == statusNotRun || status == statusNotRun+1:
		return outcome{unusable, status, said.after(fmt.Sprintf("the checker cannot be run (exit status %d)", status))}
	case status < 0 || status > statusSignal:
		return outcome{undecided, status, said.after("it was killed (" + c.ProcessState.String() + ")")}
	default:
		return outcome{bad, status, said.after(fmt.Sprintf("exit status %d", status))}
	}
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

// tailBytes is how much of a checker's words is kept.
const tailBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p[max(0, len(p)-tailBytes):]...)
	if len(t.b) > tailBytes {
		t.b = slices.Clone(t.b[len(t.b)-tailBytes:])
	}
	return len(p), nil
}

// after is a text with what was said behind it.
func (t *tail) after(text string) string {
	said := strings.ToValidUTF8(string(bytes.TrimSpace(t.b)), "")
	if said == "" {
		return text
	}
	return text + ": " + said
}

func (o *Options) timeout() time.Duration {
	if o.Timeout == 0 {
		return DefaultTimeout
	}
	return o.Timeout
}
