// The command check: its result as text, JSON, a line for monitoring plugins
// and metrics for Prometheus.

package main

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
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

// write puts the result on stdout or into a file. Where the file cannot be
// written, the result is on stdout, so that it is not lost.
func (r checkAnswer) write(o *console, format string, to *output.Destination) error {
	if !to.IsStdout() {
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
	err := to.Write(func(w io.Writer) error {
		_, err := io.WriteString(w, b.String())
		return err
	})
	if err != nil && !to.IsStdout() {
		_, _ = io.WriteString(o.out, b.String()) // the error is told either way
		o.warnf("%w", err)
		return exitStatus(exitUnknown)
	}
	return err
}

func (r checkAnswer) writeJSON(w io.Writer) {
	if r.many {
		_ = output.JSON(w, struct { // a strings.Builder takes all
			Schema  string         `json:"schema"`
			Verdict gate.Verdict   `json:"verdict"`
			NextWhy string         `json:"next_why"`
			Error   string         `json:"error,omitempty"`
			Kernels []check.Kernel `json:"kernels"`
		}{r.schema, r.Verdict, r.NextWhy, errorText(r.Err), append([]check.Kernel{}, r.Kernels...)})
		return
	}
	_ = output.JSON(w, struct {
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
	text = strings.ReplaceAll(output.Name(text), "|", "/")
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
	m := output.NewMetrics(w)
	m.Gauge("dmsnapctl_check_status", "Whether a kernel has the fix for the snapshot space leak: 0 fixed, 1 leaky, 3 unknown.")
	kernels := r.Kernels
	if len(kernels) == 0 { // a metric that is missing raises no alarm
		kernels = []check.Kernel{{Source: check.FromModule}}
	}
	for _, k := range kernels {
		m.Sample(float64(gateCode(k.Verdict)),
			output.Label{Name: "kernel_release", Value: k.KernelRelease}, output.Label{Name: "source", Value: string(k.Source)},
			output.Label{Name: "version", Value: strings.TrimPrefix(versionText(k.Version), "-")},
			output.Label{Name: "running", Value: strconv.FormatBool(k.Running)}, output.Label{Name: "next", Value: strconv.FormatBool(k.Next)})
	}
	m.Gauge("dmsnapctl_check_advisory", "Whether a known bug applies to a kernel: 0 no, 1 yes, NaN cannot be told.")
	for _, k := range r.Kernels {
		for _, a := range k.Advisories {
			value := map[gate.Applies]float64{gate.DoesNotApply: 0, gate.DoesApply: 1, gate.CannotTell: math.NaN()}[a.Applies]
			m.Sample(value, output.Label{Name: "kernel_release", Value: k.KernelRelease}, output.Label{Name: "id", Value: a.ID})
		}
	}
	_ = m.Flush() // a strings.Builder takes all
}
