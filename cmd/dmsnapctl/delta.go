// The command delta: which parts of an origin have changed.

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
	"github.com/dmsnapctl/dmsnapctl/verify/mend"
	"github.com/dmsnapctl/dmsnapctl/verify/store"
)

const deltaHelp = `   Lists the parts of the origin that were written since the snapshot was taken,
   sorted and merged. The store may be live. With --against, lists where two
   snapshots of one origin may differ; the list can include equal parts. Formats:
   ranges (OFFSET LENGTH per line, in bytes), json, and bmap for bmaptool.

EXAMPLES:
   dmsnapctl delta /dev/mapper/vg-snap-cow
   dmsnapctl delta cow.img --origin disk.img --format bmap -o changed.bmap
   bmaptool copy --bmap changed.bmap snapshot.img /dev/sdX`

func deltaCommand() *cli.Command {
	return &cli.Command{
		Name: "delta", Usage: "list the parts of the origin that have changed", ArgsUsage: "STORE", Category: categoryTools, Description: deltaHelp,
		Flags: append(originFlags(),
			&cli.StringFlag{Name: "against", Usage: "another `STORE` of the same origin"},
			&cli.StringFlag{Name: "format", Value: "ranges", Usage: "print the ranges in this `FORMAT`: ranges, json or bmap"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "-", Usage: "write to `FILE`"},
		),
		Action: withArgs("STORE", byName(runDelta)),
	}
}

// deltaMemory bounds the chunks that are sorted at once, in bytes; the whole
// program then takes 64 MiB.
const deltaMemory = 36 << 20

// deltaPart is one store of a delta.
type deltaPart struct {
	path   string
	file   *storeFile
	report *judged
	delta  *image.Delta
}

func runDelta(c *cli.Context) (err error) {
	o := outputOf(c)
	format := c.String("format")
	switch {
	case format != "ranges" && format != "json" && format != "bmap":
		return usagef("delta: --format %q: want ranges, json or bmap", format)
	case o.json && c.IsSet("format") && format != "json":
		return usagef("delta: --json and --format %s contradict each other", format)
	case o.json:
		format = "json"
	}
	origin, err := originBytesOf(c)
	if err != nil {
		return err
	}
	paths := []string{storeArg(c, 0)}
	if c.IsSet("against") {
		paths = append(paths, c.String("against"))
	}
	to, err := output.To(c.String("output"), output.Options{Reads: append(paths, c.String("origin")), Stdout: o.out, Stderr: o.err})
	if err != nil {
		return err
	}
	d := deltaResult{ctx: c.Context, origin: origin, memory: deltaMemory / int64(len(paths)), shown: newCopyProgress(o)}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, path := range paths {
		if err := d.add(o, path); err != nil {
			return fmt.Errorf("delta %s: %w", path, leaving(err, notWritten(to)))
		}
	}
	debug.FreeOSMemory() // return the judge's memory before the delta needs its own
	if format == "bmap" && origin == 0 {
		o.warnf("delta: the origin's size is not given: the bmap ends with the last change")
	}
	d.shown.begin()
	err = to.Write(func(w io.Writer) error { return d.write(w, format) })
	d.shown.stop()
	if err != nil {
		return fmt.Errorf("delta %s: %w", paths[0], leaving(err, notWritten(to)))
	}
	d.warnImpossible(o)
	if d.code != exitFine {
		return exitStatus(d.code)
	}
	return nil
}

// deltaResult is what one or two stores have changed.
type deltaResult struct {
	ctx    context.Context
	origin int64
	unit   int64 // the smallest chunk, in bytes; 0 if no store has any
	memory int64 // for the chunks of each part, in bytes
	parts  []deltaPart
	shown  *copyProgress // of the passes after the judge's
	code   int           // exit code
}

func (d *deltaResult) add(o *console, path string) error {
	file, err := openStoreFile(d.ctx, o, path)
	if err != nil {
		return err
	}
	p := deltaPart{path: path, file: file}
	d.parts = append(d.parts, p)
	if p.report, err = file.judge(d.ctx, o, verify.Options{OriginBytes: d.origin}); err != nil {
		return err
	}
	if p.report.Verdict == verify.Unrecognized || p.report.Counts[verify.HeaderLost] > 0 {
		return whyNoList(p.report.Report)
	}
	if code := toolCode(p.report.Report); code != exitFine {
		d.code = max(d.code, code)
		o.warnf("delta %s: the store is %s: the list may be incomplete", path, verdictLine(p.report.Report))
	}
	if p.report.Usage == nil { // a fresh store has changed nothing
		return mend.CheckEmpty(d.ctx, file.from, d.origin)
	}
	st, err := store.Open(d.shown.metered(newPatientReader(file.from), p.report.Report, 1), file.file.Size())
	if err != nil {
		return err
	}
	st.OriginBytes = d.origin
	if chunk := st.Geometry().ChunkBytes(); d.unit == 0 || chunk < d.unit {
		d.unit = chunk
	}
	d.parts[len(d.parts)-1].delta = image.NewDelta(st, d.memory)
	return nil
}

// warnImpossible names the stores with origin chunks that no device can have.
// If the origin's size is known, the judge has found them.
func (d *deltaResult) warnImpossible(o *console) {
	for _, p := range d.parts {
		if n := p.impossible(); n > 0 && d.origin == 0 {
			o.warnf("delta %s: the store is damaged: it has %s of origin chunks that no device can have: the list is incomplete", p.path, count.Of(n, "exception"))
		}
	}
}

func (p deltaPart) impossible() uint64 {
	if p.delta == nil {
		return 0
	}
	return p.delta.Impossible()
}

// noteImpossible makes a list without impossible chunks an incomplete one. All
// spans must have been read.
func (d *deltaResult) noteImpossible() {
	for _, p := range d.parts {
		if p.impossible() > 0 {
			d.code = max(d.code, exitCritical)
		}
	}
}

func (d *deltaResult) close() (err error) {
	for _, p := range d.parts {
		err = errors.Join(err, p.file.close())
	}
	return err
}

func (d *deltaResult) spans() iter.Seq2[image.Span, error] {
	var all iter.Seq2[image.Span, error]
	for _, p := range d.parts {
		switch {
		case p.delta == nil:
		case all == nil:
			all = p.delta.Spans(d.ctx)
		default:
			all = image.Union(all, p.delta.Spans(d.ctx))
		}
	}
	if all == nil {
		return func(func(image.Span, error) bool) {}
	}
	return all
}

func (d *deltaResult) write(w io.Writer, format string) error {
	if format == "json" {
		return d.writeJSON(w)
	}
	out := bufio.NewWriterSize(w, 64<<10)
	var err error
	switch format {
	case "bmap":
		err = d.writeBmap(out)
	default:
		err = writeSpanLines(out, d.spans())
	}
	d.noteImpossible()
	return errors.Join(err, out.Flush())
}

// writeJSON writes the object piece by piece: the ranges can be millions. Only
// after the last one is it known whether they are complete.
func (d *deltaResult) writeJSON(w io.Writer) error {
	out := output.NewObject(w)
	err := out.Fields(streamed{schemaOf("delta")})
	total := int64(0)
	out.BeginList("ranges")
	errRanges := out.Elements(func(w *bufio.Writer) (err error) {
		total, err = writeSpans(w, d.spans())
		return err
	})
	d.noteImpossible()
	if err = errors.Join(err, errRanges); err != nil {
		return cmp.Or(err, out.Close(false))
	}
	out.EndList()
	return cmp.Or(out.Field("bytes", total), out.Field("complete", d.code == exitFine), out.Close(true))
}

// unchangedBlock is the block size of a bmap without changes, in bytes: that of
// bmaptool.
const unchangedBlock = 4096

func (d *deltaResult) writeBmap(w io.Writer) error {
	m := image.Bmap{ImageSize: d.origin, BlockSize: d.unit, Spans: d.spans()}
	if m.BlockSize == 0 {
		m.BlockSize = unchangedBlock
	}
	if m.ImageSize == 0 {
		for s, err := range d.spans() {
			if err != nil {
				return err
			}
			m.ImageSize = s.End()
		}
	}
	_, err := m.WriteTo(w)
	return err
}
