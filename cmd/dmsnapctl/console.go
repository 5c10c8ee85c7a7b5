// The console: where results, progress and complaints go, and in which form.

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// console is how one command speaks: results to stdout as text or JSON,
// everything else to stderr.
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
	o.color = isTerminal(o.out) && !c.Bool("no-color") && os.Getenv("NO_COLOR") == ""
	o.progress = c.Bool("progress") || isTerminal(o.err) && !o.quiet
	if o.quiet {
		o.out = io.Discard
	}
	return o
}

// printJSON writes v, which must carry its schema, as one line.
func (o *console) printJSON(v any) error {
	enc := json.NewEncoder(o.out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// warnf tells the user something on stderr, in one line.
func (o *console) warnf(format string, args ...any) {
	_, _ = fmt.Fprintf(o.err, "dmsnapctl: %s\n", oneLine(fmt.Errorf(format, args...)))
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

// schemaOf is the value of the field "schema" of a command's JSON.
func schemaOf(command string) string {
	return "dmsnapctl." + strings.ReplaceAll(command, " ", "-") + "/1"
}

// writeJSONError gives machines that asked for JSON an object where a command
// failed before it had a result. A status that speaks for itself has printed
// its object already.
func writeJSONError(w io.Writer, command string, err error) {
	var spoken exitStatus
	if errors.As(err, &spoken) {
		return
	}
	if command == "" {
		command = "usage"
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(map[string]string{"schema": schemaOf(command), "error": explained(err)})
}

// checkedWriter remembers that something could not be written: a result that
// did not arrive must not look like success.
type checkedWriter struct {
	io.Writer
	err error
}

func (w *checkedWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil && w.err == nil {
		w.err = err
	}
	return n, err
}

// fileOf is the file behind a reader or writer, if there is one.
func fileOf(w any) (*os.File, bool) {
	if c, ok := w.(*checkedWriter); ok {
		w = c.Writer
	}
	f, ok := w.(*os.File)
	return f, ok
}

func isTerminal(w any) bool {
	f, ok := fileOf(w)
	return ok && term.IsTerminal(int(f.Fd()))
}
