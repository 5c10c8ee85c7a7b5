package output

// Prometheus' text exposition format, version 0.0.4.

import (
	"bufio"
	"io"
	"strconv"
	"strings"
)

// Metrics writes metric families; Flush tells of the first error.
type Metrics struct {
	w    *bufio.Writer
	name string // of the family that is being written
}

// NewMetrics begins to write to w, past a stream's escapes.
func NewMetrics(w io.Writer) *Metrics { return &Metrics{w: bufio.NewWriter(Raw(w))} }

// Label is the name and the value of one label; the name must be a label's.
type Label struct{ Name, Value string }

// Gauge begins a family of gauges. Its samples follow at once.
func (m *Metrics) Gauge(name, help string) { m.family(name, help, "gauge") }

// Counter begins a family of counters.
func (m *Metrics) Counter(name, help string) { m.family(name, help, "counter") }

func (m *Metrics) family(name, help, kind string) {
	m.name = name
	help = strings.NewReplacer(`\`, `\\`, "\n", `\n`).Replace(help)
	_, _ = m.w.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n") // Flush tells
}

// Sample writes a value of the family; NaN where it is not known.
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

// Flush writes what is left and tells what went wrong since the beginning.
func (m *Metrics) Flush() error { return m.w.Flush() }

// labelValue quotes a value. The format takes any UTF-8; who looks at it, on a
// terminal or a dashboard, should not be commanded by it.
func labelValue(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(Text(s)) + `"`
}
