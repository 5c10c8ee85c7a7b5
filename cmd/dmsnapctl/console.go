// The console: where results, progress and warnings go, and in which form.

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// console is the output of one command: results go to stdout as text or JSON,
// everything else goes to stderr.
type console struct {
	command  string
	out, err io.Writer
	json     bool
	quiet    bool
	color    bool
	progress bool
}

func outputOf(c *cli.Context) *console {
	app := c.App
	o := &console{
		command: strings.TrimPrefix(c.Command.HelpName, app.Name+" "),
		out:     app.Writer,
		err:     app.ErrWriter,
		json:    c.Bool("json"),
		quiet:   c.Bool("quiet"),
	}
	o.color = output.IsTerminal(o.out) && !c.Bool("no-color") && wantsColor(os.Getenv)
	o.progress = c.Bool("progress") || output.IsTerminal(o.err) && !o.quiet
	if o.quiet {
		o.out = io.Discard
	}
	return o
}

// wantsColor reports whether the environment allows colours on a terminal: see
// no-color.org; a dumb terminal has none.
func wantsColor(getenv func(string) string) bool {
	return getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// printJSON writes v, which must have a schema field, as one line.
func (o *console) printJSON(v any) error {
	return output.JSON(o.out, v)
}

// showing is the error of showing the result of work that is done.
func showing(done string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s; only its result could not be shown: %w", done, err)
}

// checkInput refuses to read files that stdout or stderr is redirected into.
func (o *console) checkInput(paths ...string) error {
	return output.CheckStreams(paths, o.out, o.err)
}

// openInput opens a file or device that a command reads, unless stdout or stderr
// goes there.
func (o *console) openInput(path string) (*blockdev.File, error) {
	if err := o.checkInput(path); err != nil {
		return nil, err
	}
	return blockdev.Open(path)
}

// warnf writes one line to stderr.
func (o *console) warnf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	_, _ = fmt.Fprintf(o.err, "dmsnapctl: %s\n", plainly(err, output.OneLine(err)))
}

// The colours of verdicts, by exit code.
func (o *console) colored(code int, s string) string {
	if !o.color {
		return s
	}
	sgr := map[int]string{exitFine: "32", exitWarning: "33"}[code]
	if sgr == "" {
		sgr = "31"
	}
	return "\x1b[1;" + sgr + "m" + s + "\x1b[0m"
}

// streamed begins an object that is written piece by piece.
type streamed struct {
	Schema string `json:"schema"`
}

// schemaOf is the value of the field "schema" of a command's JSON.
func schemaOf(command string) string {
	return "dmsnapctl." + strings.ReplaceAll(command, " ", "-") + "/1"
}

// errorJSON is the object of a command that failed before it had a result.
type errorJSON struct {
	Schema string `json:"schema"`
	Error  string `json:"error"`
}

// writeJSONError prints a JSON object for an error before there was a result. A
// command that ends with an exitStatus has already printed its object.
func writeJSONError(w io.Writer, command string, err error) {
	var spoken exitStatus
	if errors.As(err, &spoken) {
		return
	}
	if refused, is := errors.AsType[*output.Refusal](err); is && refused.Stdout {
		return
	}
	if command == "" {
		command = "usage"
	}
	_ = output.JSON(w, errorJSON{schemaOf(command), explained(err)})
}

func inBytes(s cow.Sectors) string { return count.Bytes(uint64(s) * cow.SectorSize) }

// streams are the three files of a process; tests hand in their own.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// runner runs a command line with its own streams, and returns its exit code.
type runner func(ctx context.Context, args []string, std streams) (code int)

// columnsOf is the width of the terminal behind w; without one, that of COLUMNS,
// or 80.
func columnsOf(w io.Writer) int {
	const usual = 80
	if f, ok := output.FileOf(w); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return min(n, 1000)
	}
	return usual
}

// ownFile is the file behind a stream, for a command to write to directly: it
// sees a terminal, and its background processes are not waited for.
func ownFile(w io.Writer) io.Writer {
	if f, ok := output.FileOf(w); ok {
		return f
	}
	return output.Raw(w)
}
