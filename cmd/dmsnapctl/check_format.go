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
	"time"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/check"
	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/boot"
)

// Values of --format.
const (
	formatText       = "text"
	formatJSON       = "json"
	formatNagios     = "nagios"
	formatPrometheus = "prometheus"
	formatFacts      = "facts"
)

var checkFormats = []string{formatText, formatJSON, formatNagios, formatPrometheus, formatFacts}

// checkAnswer is everything that check reports.
type checkAnswer struct {
	check.Result
	schema   string
	advisory *gate.Advisory
	many     bool // the answer is a list
}

// write puts the result on stdout or into a file. If the file cannot be
// written, the result goes to stdout, so that it is not lost.
func (r checkAnswer) write(o *console, format string, to *output.Destination) error {
	if err := to.Spare(r.Read...); err != nil {
		return err
	}
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
	case formatFacts:
		r.writeFacts(&b)
	default:
		r.writeText(&b, o)
	}
	if to.IsStdout() && format != formatJSON && format != formatPrometheus && format != formatFacts {
		_, err := io.WriteString(o.out, b.String())
		return err
	}
	err := to.Write(func(w io.Writer) error {
		_, err := io.WriteString(w, b.String())
		return err
	})
	if err != nil && !to.IsStdout() {
		_, _ = io.WriteString(o.out, b.String()) // the error is reported in any case
		o.warnf("%w", err)
		return exitStatus(exitUnknown)
	}
	return err
}

// checkRecord is the part of the JSON that all answers have: where, when and
// by which version it was found.
type checkRecord struct {
	Host         string  `json:"host"`
	Time         string  `json:"time"` // RFC 3339, UTC
	ToolVersion  string  `json:"tool_version"`
	Root         string  `json:"root"`
	NextEvidence *string `json:"next_evidence"` // null: not asked, or not known
}

func (r checkAnswer) record() checkRecord {
	record := checkRecord{
		Host: r.Host, Time: r.Time.UTC().Format(time.RFC3339), ToolVersion: version(), Root: r.Root,
	}
	if e := string(r.NextEvidence); e != "" {
		record.NextEvidence = &e
	}
	return record
}

// advice is what can be done about a kernel that leaks: boot an installed one
// that does not, if there is one.
func (r checkAnswer) advice() []advice {
	if r.many || r.advisory != nil || r.Verdict != gate.Leaky || len(r.Kernels) != 1 || r.Kernels[0].KernelRelease == "" {
		return []advice{}
	}
	words := []string{"check", "--all-kernels"}
	if r.Root != "" && r.Root != "/" {
		words = append(words, "--root", r.Root)
	}
	return []advice{advise("whether a kernel with the fix is installed", words...)}
}

// checkList is the JSON of an answer that is a list.
type checkList struct {
	Schema  string       `json:"schema"`
	Verdict gate.Verdict `json:"verdict"`
	NextWhy string       `json:"next_why"`
	checkRecord
	Error   string         `json:"error,omitempty"`
	Kernels []check.Kernel `json:"kernels"`
	Advice  []advice       `json:"advice"`
}

// checkOne is the JSON of an answer about one kernel.
type checkOne struct {
	Schema string `json:"schema"`
	check.Kernel
	checkRecord
	Advice []advice `json:"advice"`
}

func (r checkAnswer) writeJSON(w io.Writer) {
	if r.many {
		_ = output.JSON(w, checkList{ // a strings.Builder never fails
			r.schema, r.Verdict, r.NextWhy, r.record(), errorText(r.Err), append([]check.Kernel{}, r.Kernels...), r.advice()})
		return
	}
	_ = output.JSON(w, checkOne{r.schema, r.Kernels[0], r.record(), r.advice()})
}

// The facts of --format facts.
type (
	checkFacts struct {
		Check checkFact `json:"dmsnapctl_check"`
	}
	checkFact struct {
		Verdict gate.Verdict `json:"verdict"`
		checkRecord
		Kernels []kernelFact `json:"kernels"`
	}
	kernelFact struct {
		Release    string           `json:"release"`
		Verdict    gate.Verdict     `json:"verdict"`
		Version    *gate.Version    `json:"version"`
		Running    bool             `json:"running"`
		Next       bool             `json:"next"`
		Advisories map[string]*bool `json:"advisories"` // null: not known
	}
)

// writeFacts writes the answer as facts: JSON that Ansible takes as a local
// fact (/etc/ansible/facts.d/dmsnapctl.fact) and Facter as an external one
// (/etc/facter/facts.d/dmsnapctl.json). Facter's names are global, so
// everything is under one key.
func (r checkAnswer) writeFacts(w io.Writer) {
	facts := []kernelFact{}
	for _, k := range r.Kernels {
		f := kernelFact{k.KernelRelease, k.Verdict, k.Version, k.Running, k.Next, make(map[string]*bool)}
		for _, a := range k.Advisories {
			f.Advisories[a.ID] = nil
			if a.Applies != gate.CannotTell {
				applies := a.Applies == gate.DoesApply
				f.Advisories[a.ID] = &applies
			}
		}
		facts = append(facts, f)
	}
	_ = output.JSON(w, checkFacts{checkFact{r.Verdict, r.record(), facts}})
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
	_, _ = fmt.Fprintf(w, "%s: %s\n", o.colored(gateCode(k.Verdict), k.Verdict.String()), output.Name(k.Rule))
	if k.KernelRelease != "" {
		_, _ = fmt.Fprintf(w, "kernel %s%s\n", output.Name(k.KernelRelease), strings.TrimSuffix(", "+whenText(k), ", -"))
	}
	if k.Next {
		_, _ = fmt.Fprintf(w, "next boot: %s\n", output.Name(r.nextText()))
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
	_ = printAdvice(w, r.advice())
}

// writeTable shows all kernels, one per line. The coloured column comes last,
// because colours would break the alignment of columns after it.
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
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", output.Name(k.KernelRelease), versionText(k.Version), whenText(k), column(k))
	}
	_ = table.Flush()
	if r.NextWhy != "" {
		_, _ = fmt.Fprintf(w, "next boot: %s\n", output.Name(r.nextText()))
	}
}

// nextText says how the kernel that boots next was found, and what that rests
// on.
func (r checkAnswer) nextText() string {
	if r.NextEvidence == boot.None {
		return r.NextWhy
	}
	return fmt.Sprintf("%s (%s)", r.NextWhy, r.NextEvidence)
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
	if r.NextEvidence != boot.None {
		text += fmt.Sprintf(" (next kernel %s)", r.NextEvidence)
	}
	_, _ = fmt.Fprintln(w, output.PluginLine(state, text,
		fmt.Sprintf("leaky_kernels=%d;0;;0;%d", leaky, len(r.Kernels)), fmt.Sprintf("unknown_kernels=%d;;;0;%d", unknown, len(r.Kernels))))
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
	if len(kernels) == 0 { // a missing metric would raise no alarm
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
	r.prometheusRun(m)
	_ = m.Flush() // a strings.Builder never fails
}

// prometheusRun writes the series about the run as a whole, which alarms use.
func (r checkAnswer) prometheusRun(m *output.Metrics) {
	m.Gauge("dmsnapctl_check_worst", "The worst status of all kernels that were asked for: 0 fixed, 1 leaky, 3 unknown.")
	m.Sample(float64(gateCode(r.Verdict)))
	m.Gauge("dmsnapctl_check_timestamp_seconds", "When the kernels were checked.")
	m.Sample(float64(r.Time.Unix()))
	if r.NextWhy == "" {
		return
	}
	m.Gauge("dmsnapctl_check_next_evidence", "What the answer about the next boot rests on: 1 for that, 0 for the others.")
	for _, e := range []boot.Evidence{boot.Configured, boot.Inferred, boot.Guessed} {
		value := 0.0
		if e == r.NextEvidence {
			value = 1
		}
		m.Sample(value, output.Label{Name: "evidence", Value: string(e)})
	}
}
