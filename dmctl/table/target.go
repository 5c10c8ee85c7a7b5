package table

// A table: one target per line, covering the device from sector 0.

import (
	"fmt"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Spec is a target's type and parameters: the words after start and length.
// This package has a type for each target that it knows; Opaque stands for all
// others.
type Spec interface {
	Type() string   // the target's name in the kernel
	Params() string // the words after it, or ""
}

// Target is one line of a table: it maps Length sectors of the device, starting
// at Start, as Spec says.
type Target struct {
	Start, Length cow.Sectors
	Spec          Spec
}

// String returns the line that dmsetup reads.
func (t Target) String() string {
	s := fmt.Sprintf("%d %d %s", t.Start, t.Length, t.Spec.Type())
	if p := t.Spec.Params(); p != "" {
		s += " " + p
	}
	return s
}

// Table is a device's table, in the order of its lines.
type Table []Target

// Single returns a table with one target for the whole device.
func Single(length cow.Sectors, spec Spec) Table {
	return Table{{Start: 0, Length: length, Spec: spec}}
}

// String returns the text that dmsetup reads: one line per target, each with a
// newline.
func (t Table) String() string {
	var b strings.Builder
	for _, target := range t {
		b.WriteString(target.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// Size returns the size of the device that the table describes.
func (t Table) Size() cow.Sectors {
	if len(t) == 0 {
		return 0
	}
	last := t[len(t)-1]
	return last.Start + last.Length
}

// Opaque is a target that this package does not know. Its parameters are kept
// as written.
type Opaque struct {
	Name string
	Text string
}

func (o Opaque) Type() string   { return o.Name }
func (o Opaque) Params() string { return o.Text }
