package output

// Prometheus' text exposition format, version 0.0.4.

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Metrics writes metric families; Flush returns the first error.
type Metrics struct {
	w    *bufio.Writer
	name string // of the family being written
}

// NewMetrics returns a writer to w that bypasses a stream's escapes.
func NewMetrics(w io.Writer) *Metrics { return &Metrics{w: bufio.NewWriter(Raw(w))} }

// Label is a label: its name, which must be valid, and its value.
type Label struct{ Name, Value string }

// Gauge begins a family of gauges. Its samples must follow.
func (m *Metrics) Gauge(name, help string) { m.family(name, help, "gauge") }

// Counter begins a family of counters. Its samples must follow.
func (m *Metrics) Counter(name, help string) { m.family(name, help, "counter") }

func (m *Metrics) family(name, help, kind string) {
	m.name = name
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	_, _ = m.w.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n") // Flush reports it
}

// Sample writes a value of the family; NaN if it is not known.
func (m *Metrics) Sample(value float64, labels ...Label) {
	_, _ = m.w.WriteString(m.name)
	separator := "{"
	for _, l := range labels {
		_, _ = m.w.WriteString(separator + l.Name + "=" + labelValue(l.Value))
		separator = ","
	}
	if len(labels) > 0 {
		_, _ = m.w.WriteString("}")
	}
	_, _ = m.w.WriteString(" " + strconv.FormatFloat(value, 'f', -1, 64) + "\n")
}

// Flush writes what is left and returns the first error since the beginning.
func (m *Metrics) Flush() error { return m.w.Flush() }

// labelValue quotes a value. The format allows any UTF-8, but a value must not
// control the terminal or dashboard that shows it.
func labelValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(Text(s)) + `"`
}
