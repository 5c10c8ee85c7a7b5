// The command check: its result as text, JSON, a line for monitoring plugins
// and metrics for Prometheus.

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
)

// Values of --format.
const (
	formatText       = "text"
	formatJSON       = "json"
	formatNagios     = "nagios"
	formatPrometheus = "prometheus"
)

var checkFormats = []string{formatText, formatJSON, formatNagios, formatPrometheus}

// checkAnswer is all that check has to say.
type checkAnswer struct {
	check.Result
	schema   string
	advisory *gate.Advisory
	many     bool // the answer is a list
}

// write puts the result on stdout or into a file.
func (r checkAnswer) write(o *console, format, file string) error {
	if file != "" && file != "-" {
		o.color = false
	}
	var b strings.Builder
	switch format {
	case formatJSON:
		r.writeJSON(&b)
	case formatNagios:
		r.writeNagios(&b)
	case formatPrometheus:
		r.writePrometheus(&b)
	default:
		r.writeText(&b, o)
	}
	if file != "" && file != "-" {
		return replaceFile(file, b.String())
	}
	if _, err := io.WriteString(o.out, b.String()); err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	return nil
}

// replaceFile writes a file so that its readers see the old content or all of
// the new, after a crash as well. Whoever could read and write the old one can
// the new one. What is no regular file stays what it is.
func replaceFile(path, content string) (err error) {
	old, errOld := os.Lstat(path)
	if errOld == nil && !old.Mode().IsRegular() {
		return fmt.Errorf("writing the result: %s is no regular file, which would be replaced (- is stdout)", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("writing the result: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
			err = fmt.Errorf("writing the result: %w", err)
		}
	}()
	_, err = f.WriteString(content)
	for _, step := range []func() error{
		func() error {
			if errOld != nil {
				return f.Chmod(0o644) // others read it: a collector, a monitoring agent
			}
			return takeOwnership(f, old)
		},
		f.Sync,
	} {
		if err == nil {
			err = step()
		}
	}
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	return err
}

func (r checkAnswer) writeJSON(w io.Writer) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if r.many {
		_ = enc.Encode(struct { // a strings.Builder takes all
			Schema  string         `json:"schema"`
			Verdict gate.Verdict   `json:"verdict"`
			NextWhy string         `json:"next_why"`
			Error   string         `json:"error,omitempty"`
			Kernels []check.Kernel `json:"kernels"`
		}{r.schema, r.Verdict, r.NextWhy, errorText(r.Err), append([]check.Kernel{}, r.Kernels...)})
		return
	}
	_ = enc.Encode(struct {
		Schema string `json:"schema"`
		check.Kernel
	}{r.schema, r.Kernels[0]})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return explained(err)
}

func (r checkAnswer) writeText(w io.Writer, o *console) {
	if r.many {
		r.writeTable(w, o)
		return
	}
	k := r.Kernels[0]
	_, _ = fmt.Fprintf(w, "%s: %s\n", o.colored(gateCode(k.Verdict), k.Verdict.String()), k.Rule)
	if k.KernelRelease != "" {
		_, _ = fmt.Fprintf(w, "kernel %s%s\n", k.KernelRelease, strings.TrimSuffix(", "+whenText(k), ", -"))
	}
	if k.Next {
		_, _ = fmt.Fprintf(w, "next: %s\n", r.NextWhy)
	}
	if k.Err != nil && r.advisory == nil {
		return
	}
	_, _ = fmt.Fprintln(w, "known bugs, by version and kernel release (vendors backport fixes):")
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	for _, a := range k.Advisories {
		if r.advisory == nil || r.advisory.ID == a.ID {
			_, _ = fmt.Fprintf(table, "  %s\t%s\n", a.ID, a.Why)
		}
	}
	_ = table.Flush()
}

// writeTable shows all kernels, a line to each. Colours would upset its
// columns, so they come last.
func (r checkAnswer) writeTable(w io.Writer, o *console) {
	if len(r.Kernels) == 0 {
		return
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	heading, column := "VERDICT", func(k check.Kernel) string { return o.colored(gateCode(k.Verdict), k.Verdict.String()) }
	if r.advisory != nil {
		heading = strings.ToUpper(r.advisory.ID)
		column = func(k check.Kernel) string {
			_, why := r.advisory.Applies(k.Evidence())
			return why
		}
	}
	_, _ = fmt.Fprintf(table, "KERNEL\tVERSION\tWHEN\t%s\n", heading)
	for _, k := range r.Kernels {
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", k.KernelRelease, versionText(k.Version), whenText(k), column(k))
	}
	_ = table.Flush()
	if r.NextWhy != "" {
		_, _ = fmt.Fprintf(w, "next: %s\n", r.NextWhy)
	}
}

func versionText(v *gate.Version) string {
	if v == nil {
		return "-"
	}
	return v.String()
}

func whenText(k check.Kernel) string {
	switch {
	case k.Running && k.Next:
		return "running, next"
	case k.Running:
		return "running"
	case k.Next:
		return "next"
	default:
		return "-"
	}
}

// writeNagios writes the one line of a monitoring plugin: state, text, and
// performance data, in which more than 0 leaky kernels are worth a warning.
func (r checkAnswer) writeNagios(w io.Writer) {
	state := map[int]string{exitFine: "OK", exitWarning: "WARNING"}[r.code()]
	if state == "" {
		state = "UNKNOWN"
	}
	leaky, unknown, text := 0, 0, errorText(r.Err)
	for _, k := range r.Kernels {
		switch k.Verdict {
		case gate.Leaky:
			leaky++
		case gate.Unknown:
			unknown++
		}
		if kernelCode(k, r.advisory) == r.code() && text == "" {
			text = r.nagiosText(k)
		}
	}
	// A bar would start the performance data.
	text = strings.ReplaceAll(text, "|", "/")
	_, _ = fmt.Fprintf(w, "DMSNAPCTL %s - %s | leaky_kernels=%d;0;;0;%d unknown_kernels=%d;;;0;%d\n",
		state, text, leaky, len(r.Kernels), unknown, len(r.Kernels))
}

func (r checkAnswer) nagiosText(k check.Kernel) string {
	text := k.Verdict.String() + ": " + k.Rule
	if r.advisory != nil {
		_, why := r.advisory.Applies(k.Evidence())
		text = r.advisory.ID + ": " + why
	}
	if k.KernelRelease != "" {
		text = "kernel " + k.KernelRelease + " " + text
	}
	return text
}

// writePrometheus writes the text exposition format.
func (r checkAnswer) writePrometheus(w io.Writer) {
	_, _ = io.WriteString(w, "# HELP dmsnapctl_check_status Whether a kernel has the fix for the snapshot space leak: 0 fixed, 1 leaky, 3 unknown.\n"+
		"# TYPE dmsnapctl_check_status gauge\n")
	kernels := r.Kernels
	if len(kernels) == 0 { // a metric that is missing raises no alarm
		kernels = []check.Kernel{{Source: check.FromModule}}
	}
	for _, k := range kernels {
		_, _ = fmt.Fprintf(w, "dmsnapctl_check_status{%s,source=%s,version=%s,running=\"%t\",next=\"%t\"} %d\n",
			releaseLabel(k), label(string(k.Source)), label(strings.TrimPrefix(versionText(k.Version), "-")), k.Running, k.Next, gateCode(k.Verdict))
	}
	_, _ = io.WriteString(w, "# HELP dmsnapctl_check_advisory Whether a known bug applies to a kernel: 0 no, 1 yes, NaN cannot be told.\n"+
		"# TYPE dmsnapctl_check_advisory gauge\n")
	for _, k := range r.Kernels {
		for _, a := range k.Advisories {
			value := map[gate.Applies]string{gate.DoesNotApply: "0", gate.DoesApply: "1", gate.CannotTell: "NaN"}[a.Applies]
			_, _ = fmt.Fprintf(w, "dmsnapctl_check_advisory{%s,id=%s} %s\n", releaseLabel(k), label(a.ID), value)
		}
	}
}

func releaseLabel(k check.Kernel) string { return "kernel_release=" + label(k.KernelRelease) }

// label quotes the value of a label.
func label(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}
