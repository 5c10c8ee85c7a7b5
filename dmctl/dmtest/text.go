package dmtest

// The machine's state as text.

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/dmctl/devices"
	"github.com/dmsnapctl/dmsnapctl/dmctl/table"
)

// String returns the state, with names in place of device numbers. Machines in
// the same state have the same text.
func (m *Machine) String() string {
	byDev := map[string]string{}
	for _, d := range m.Devices {
		byDev[d.Dev.String()] = d.Name
	}
	text := func(t table.Table) string {
		var out []string
		for _, l := range t {
			words := strings.Fields(l.String())
			for i, w := range words {
				if n, ok := byDev[w]; ok {
					words[i] = n
				}
			}
			out = append(out, strings.Join(words, " "))
		}
		return strings.Join(out, "; ")
	}
	for _, l := range m.Loops {
		byDev[l.Number.String()] = "loop:" + l.path
	}
	var b strings.Builder
	for _, d := range m.Devices {
		u, _ := devices.UUIDOf(d.UUID)
		r, _, _ := devices.ParseUUID(u)
		_, node := m.NodeDevs[d.Name]
		fmt.Fprintf(&b, "%s role=%q suspended=%v node=%v live=[%s] waiting=[%s]\n", d.Name, r, d.Suspended, node, text(d.Live), text(d.Waiting))
	}
	for n := range m.NodeDevs {
		if m.Find(n) == nil {
			fmt.Fprintf(&b, "node %s of no device\n", n)
		}
	}
	for _, p := range slices.Sorted(maps.Keys(m.Files)) {
		fmt.Fprintf(&b, "file %s\n", p)
	}
	for _, l := range m.Loops {
		fmt.Fprintf(&b, "loop device on %s read-only=%v\n", l.path, l.ReadOnly)
	}
	for _, text := range m.NotesKept {
		fmt.Fprintf(&b, "note %s\n", text)
	}
	return b.String()
}
