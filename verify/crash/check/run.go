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

	"github.com/dmsnapctl/dmsnapctl/verify/shellstatus"
)

// shell runs a checker's command line.
const shell = "/bin/sh"

// end says how a checker's run ended.
type end int

const (
	good      end = iota
	bad           // it says that the image is damaged
	undecided     // no answer: it took too long, or was killed
	unusable      // it cannot be run at all
)

// outcome is the result of a run.
type outcome struct {
	end    end
	status int    // exit status, -1 if there is none
	why    string // for people; includes the end of the checker's output
}

// line returns the command line for an image: {} stands for its path; without
// {}, the path is appended.
func line(command, path string) string {
	quoted := "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
	if !strings.Contains(command, "{}") {
		return command + " " + quoted
	}
	return strings.ReplaceAll(command, "{}", quoted)
}

// grace is how long a checker may take to end after SIGTERM.
const grace = 2 * time.Second

// run runs the checker on the image at path. It ends the checker and all
// processes in its group when ctx ends or the time is up.
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
	_ = signalGroup(c, syscall.SIGKILL) // processes that it left behind
	switch {
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
		return outcome{undecided, -1, said.after(fmt.Sprintf("it took more than %v", o.timeout()))}
	case ctx.Err() != nil:
		return outcome{undecided, -1, "interrupted"}
	}
	return o.judge(c, err, said)
}

// judge interprets the end of a checker.
func (o *Options) judge(c *exec.Cmd, err error, said *tail) outcome {
	if c.ProcessState == nil {
		return outcome{unusable, -1, fmt.Sprintf("the checker cannot be run: %v", err)}
	}
	switch status := c.ProcessState.ExitCode(); {
	case status == 0 || status > 0 && slices.Contains(o.Good, status):
		return outcome{good, status, ""}
	case shellstatus.NotRun(status):
		return outcome{unusable, status, said.after(fmt.Sprintf("the checker cannot be run (exit status %d)", status))}
	case status < 0 || shellstatus.Signalled(status):
		return outcome{undecided, status, said.after("it was killed (" + c.ProcessState.String() + ")")}
	default:
		return outcome{bad, status, said.after(fmt.Sprintf("exit status %d", status))}
	}
}

// tail keeps the end of its input.
type tail struct{ b []byte }

// tailBytes is how much of a checker's output to keep.
const tailBytes = 2 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p[max(0, len(p)-tailBytes):]...)
	if len(t.b) > tailBytes {
		t.b = slices.Clone(t.b[len(t.b)-tailBytes:])
	}
	return len(p), nil
}

// after returns a text followed by the output.
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
