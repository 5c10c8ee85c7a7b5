package table

// Targets that tests put under others: slow, failing or recording ones.

import (
	"fmt"
	"math"
	"strings"

	"github.com/dmsnapctl/dmsnapctl/verify/cow"
)

// Delay delays I/O. Legs are for reads, writes and flushes, in this order. One
// leg serves all three; of two legs, flushes use the second.
type Delay struct{ Legs []DelayLeg }

// DelayLeg is the destination and the delay of one kind of I/O.
type DelayLeg struct {
	Device       string
	Offset       cow.Sectors
	Milliseconds uint64
}

func (Delay) Type() string { return "delay" }

func (d Delay) Params() string {
	legs := make([]string, len(d.Legs))
	for i, l := range d.Legs {
		legs[i] = fmt.Sprintf("%s %d %d", quote(l.Device), l.Offset, l.Milliseconds)
	}
	return strings.Join(legs, " ")
}

func parseDelay(c *cursor) Spec {
	if n := len(c.words); n != 3 && n != 6 && n != 9 {
		c.fail(min(n, 9), "delay takes 3, 6 or 9 words: device, offset and milliseconds for reads, writes and flushes")
	}
	var d Delay
	for c.left() > 0 && c.err == nil {
		d.Legs = append(d.Legs, DelayLeg{
			Device:       c.device("the device"),
			Offset:       c.sectors("the offset"),
			Milliseconds: c.number("the delay in milliseconds", math.MaxUint32),
		})
	}
	return d
}

// Flakey works for Up seconds and then misbehaves for Down seconds, in turn.
type Flakey struct {
	Device   string
	Offset   cow.Sectors
	Up, Down uint64 // seconds
	Features []string
}

func (Flakey) Type() string { return "flakey" }

func (f Flakey) Params() string {
	return fmt.Sprintf("%s %d %d %d", quote(f.Device), f.Offset, f.Up, f.Down) + countedParams(f.Features)
}

func parseFlakey(c *cursor) Spec {
	return Flakey{
		Device:   c.device("the device"),
		Offset:   c.sectors("the offset"),
		Up:       c.number("the up interval in seconds", math.MaxUint32),
		Down:     c.number("the down interval in seconds", math.MaxUint32),
		Features: c.counted("feature arguments"),
	}
}

// Dust simulates bad blocks, which messages add.
type Dust struct {
	Device     string
	Offset     cow.Sectors
	BlockBytes uint64
}

func (Dust) Type() string { return "dust" }
func (d Dust) Params() string {
	return fmt.Sprintf("%s %d %d", quote(d.Device), d.Offset, d.BlockBytes)
}

func parseDust(c *cursor) Spec {
	return Dust{
		Device:     c.device("the device"),
		Offset:     c.sectors("the offset"),
		BlockBytes: c.number("the block size in bytes", math.MaxUint32),
	}
}

// LogWrites passes all I/O to Device and records the writes on Log.
type LogWrites struct{ Device, Log string }

func (LogWrites) Type() string     { return "log-writes" }
func (l LogWrites) Params() string { return quote(l.Device) + " " + quote(l.Log) }

func parseLogWrites(c *cursor) Spec {
	return LogWrites{Device: c.device("the device"), Log: c.device("the log device")}
}
