// What a monitor and a status report to Prometheus, and what a monitor
// survives.

package main

import (
	"errors"
	"io"
	"sync"
	"syscall"
	"time"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/monitor"
)

// Errors after which a monitor continues, as its metrics name them.
const (
	textfileTrouble = "textfile"
	growTrouble     = "grow"
	hookTrouble     = "exec"
	outputTrouble   = "output"
	notifyTrouble   = "notify"
)

// troubles counts errors by their source. Each trouble is reported when it
// begins, not at every look.
type troubles struct {
	warn func(error)

	mu    sync.Mutex
	count map[string]uint64
	last  map[string]string // what was last reported
}

// of records the result of one attempt; nil ends the trouble.
func (t *troubles) of(what string, err error) { t.with(what, "", err) }

// with is of, for a trouble that each snapshot has separately.
func (t *troubles) with(what, name string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == nil {
		t.count, t.last = map[string]uint64{}, map[string]string{}
	}
	which := what + " " + name
	if err == nil {
		delete(t.last, which)
		return
	}
	t.count[what]++
	if said := err.Error(); t.last[which] != said || what == hookTrouble {
		t.last[which] = said
		t.warn(err)
	}
}

// unlessPipe records an error of stdout. A pipe that nobody reads any more
// ends the monitor; a full file system does not.
func (t *troubles) unlessPipe(err error) error {
	if errors.Is(err, syscall.EPIPE) {
		return err
	}
	t.of(outputTrouble, err)
	return nil
}

func (t *troubles) counted(what string) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count[what]
}

// writeMonitorMetrics writes a look at snapshots, and the state of the
// monitor.
func writeMonitorMetrics(w io.Writer, snapshots []dmctl.Snapshot, fullIn func(string) time.Duration, t *troubles, now time.Time) error {
	m := output.NewMetrics(w)
	addSnapshotMetrics(m, snapshots, fullIn)
	m.Counter("dmsnapctl_monitor_errors_total", "Failures that the monitor survived, by kind.")
	for _, what := range []string{hookTrouble, growTrouble, notifyTrouble, outputTrouble, textfileTrouble} {
		m.Sample(float64(t.counted(what)), output.Label{Name: "what", Value: what})
	}
	m.Gauge("dmsnapctl_monitor_timestamp_seconds", "When the monitor last looked.")
	m.Sample(float64(now.Unix()))
	return m.Flush()
}

// addSnapshotMetrics writes the families of snapshots.
func addSnapshotMetrics(m *output.Metrics, snapshots []dmctl.Snapshot, fullIn func(string) time.Duration) {
	for _, f := range monitor.Metrics(snapshots, fullIn) {
		m.Gauge("dmsnapctl_"+f.Name, f.Help)
		for _, s := range f.Samples {
			labels := []output.Label{{Name: "name", Value: s.Snapshot.Name}, {Name: "origin", Value: s.Snapshot.Origin}}
			if s.State != "" {
				labels = append(labels, output.Label{Name: "state", Value: s.State})
			}
			m.Sample(s.Value, labels...)
		}
	}
}
