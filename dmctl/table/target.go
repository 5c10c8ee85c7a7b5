package table

// A table: lines of one target each, covering the device from sector 0 on.

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Spec is what a target is and what it is told: the words behind start and
// length. The types of this package implement it; Opaque stands for all
// targets without one.
type Spec interface {
	Type() string   // the target's name in the kernel
	Params() string // the words behind it, "" where it has none
}

// Target is one line of a table: Length sectors of the device from Start on
// are mapped as Spec says.
type Target struct {
	Start, Length cow.Sectors
	Spec          Spec
}

// String is the line that dmsetup reads.
func (t Target) String() string {
	s := fmt.Sprintf("%d %d %s", t.Start, t.Length, t.Spec.Type())
	if p := t.Spec.Params(); p != "" {
		s += " " + p
	}
	return s
}

// Table is a device's table, in the order of its lines.
type Table []Target

// Single is the table that has one target for the whole device.
func Single(length cow.Sectors, spec Spec) Table {
	return Table{{Start: 0, Length: length, Spec: spec}}
}

// String is the text that dmsetup reads: one line per target, each ended by
// a newline.
func (t Table) String() string {
	var b strings.Builder
	for _, target := range t {
		b.WriteString(target.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Size is the size of the device that the table describes.
func (t Table) Size() cow.Sectors {
	if len(t) == 0 {
		return 0
	}
	last := t[len(t)-1]
	return last.Start + last.Length
}

// Opaque is a target that this package knows nothing of. Its parameters are
// kept as they were written.
type Opaque struct {
	Name string
	Text string
}

func (o Opaque) Type() string   { return o.Name }
func (o Opaque) Params() string { return o.Text }
