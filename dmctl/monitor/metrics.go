package monitor

// Snapshots as metrics, for the node exporter's textfile collector.

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dmsnapctl/dmsnapctl/dmctl"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// WriteMetrics writes snapshots in Prometheus' text format; what is not known
// of one is left out. The file that the collector reads must be replaced as a
// whole: that is the caller's part.
func WriteMetrics(w io.Writer, snapshots []dmctl.Snapshot, fullIn func(name string) time.Duration) error {
	states := []string{table.Active.String(), table.Invalid.String(), table.Overflow.String(), table.MergeFailed.String(), dmctl.StateMerging, table.Unknown.String()}
	var b strings.Builder
	family := func(name, help string, value func(dmctl.Snapshot, string) string) {
		fmt.Fprintf(&b, "# HELP dmsnapctl_%s %s\n# TYPE dmsnapctl_%s gauge\n", name, help, name)
		for _, s := range snapshots {
			labels := fmt.Sprintf(`name="%s",origin="%s"`, escapeLabel(s.Name), escapeLabel(s.Origin))
			b.WriteString(value(s, "dmsnapctl_"+name+"{"+labels))
		}
	}
	family("snapshot_state", "1 for the state that the snapshot is in", func(s dmctl.Snapshot, series string) string {
		var lines strings.Builder
		for _, state := range states {
			on := 0
			if s.State == state {
				on = 1
			}
			fmt.Fprintf(&lines, "%s,state=\"%s\"} %d\n", series, state, on)
		}
		return lines.String()
	})
	// figure is a family of what the status line says, in sectors; no value
	// where it does not.
	figure := func(name, help string, value func(dmctl.Snapshot) (n cow.Sectors, known bool)) {
		family(name, help, func(s dmctl.Snapshot, series string) string {
			n, known := value(s)
			if !known {
				return ""
			}
			return fmt.Sprintf("%s} %d\n", series, uint64(n)*cow.SectorSize)
		})
	}
	figure("store_allocated_bytes", "what is allocated of the store, metadata included", func(s dmctl.Snapshot) (cow.Sectors, bool) {
		return s.Allocated, s.HasFigures()
	})
	figure("store_metadata_bytes", "what of that is metadata", func(s dmctl.Snapshot) (cow.Sectors, bool) {
		return s.Metadata, s.HasMetadata
	})
	figure("store_size_bytes", "the size of the COW device", func(s dmctl.Snapshot) (cow.Sectors, bool) {
		return s.Total, s.HasFigures()
	})
	family("store_full_in_seconds", "when the store will be full at the present rate; no value where it does not fill up", func(s dmctl.Snapshot, series string) string {
		if d := fullIn(s.Name); d > 0 {
			return fmt.Sprintf("%s} %.0f\n", series, d.Seconds())
		}
		return ""
	})
	_, err := io.WriteString(w, b.String())
	return err
}

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s)
}
