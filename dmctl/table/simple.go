package table

// Targets that map sectors to sectors, or to nothing.

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Linear maps the target's sectors to Device, starting at Offset.
type Linear struct {
	Device string
	Offset cow.Sectors
}

func (Linear) Type() string     { return "linear" }
func (l Linear) Params() string { return fmt.Sprintf("%s %d", quote(l.Device), l.Offset) }

func parseLinear(c *cursor) Spec {
	return Linear{Device: c.device("the device"), Offset: c.sectors("the offset")}
}

// Zero reads as zeros and discards writes.
type Zero struct{}

func (Zero) Type() string   { return "zero" }
func (Zero) Params() string { return "" }

// Error fails all reads and writes.
type Error struct{}

func (Error) Type() string   { return "error" }
func (Error) Params() string { return "" }

// parseError keeps the arguments that newer kernels take (a device and an
// offset, for zoned devices) as they are.
func parseError(c *cursor) Spec {
	if c.left() == 0 {
		return Error{}
	}
	text := joinWords(c.words)
	c.next = len(c.words)
	return Opaque{Name: "error", Text: text}
}

// Striped distributes chunks of ChunkSize sectors over Stripes in turn.
type Striped struct {
	ChunkSize cow.Sectors
	Stripes   []Stripe
}

// Stripe is one leg of a Striped.
type Stripe struct {
	Device string
	Offset cow.Sectors
}

func (Striped) Type() string { return "striped" }

func (s Striped) Params() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %d", len(s.Stripes), s.ChunkSize)
	for _, leg := range s.Stripes {
		fmt.Fprintf(&b, " %s %d", quote(leg.Device), leg.Offset)
	}
	return b.String()
}

func parseStriped(c *cursor) Spec {
	n := c.number("the number of stripes", math.MaxUint32)
	if c.err == nil && n == 0 {
		c.fail(0, "a striped target has at least one stripe")
	}
	s := Striped{ChunkSize: cow.Sectors(c.number("the chunk size in sectors", math.MaxUint32))}
	if c.err == nil && s.ChunkSize == 0 {
		c.fail(1, "the chunk size is 0")
	}
	// The number is trusted only as long as there are words left.
	for i := uint64(0); i < n && c.err == nil; i++ {
		s.Stripes = append(s.Stripes, Stripe{Device: c.device("a stripe's device"), Offset: c.sectors("a stripe's offset")})
	}
	return s
}

func (c *cursor) sectors(what string) cow.Sectors {
	return cow.Sectors(c.number(what+" in sectors", maxSectors))
}
