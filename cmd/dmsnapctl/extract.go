// The command extract: a snapshot's image as a file.

package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/blockdev"
	"github.com/dmsnapctl/dmsnapctl/verify/count"
	"github.com/dmsnapctl/dmsnapctl/verify/cow"
	"github.com/dmsnapctl/dmsnapctl/verify/image"
)

const extractHelp = `   Writes the snapshot's content to a file: sparse raw, or qcow2. --only-changes
   writes a qcow2 overlay over --backing with only the changed chunks: as the
   snapshot shows them (--side snapshot), or as the origin has them now (--side
   origin), for incremental backups. If the origin is in use, it changes while it
   is read: take a second snapshot of it first, and name that with --content.

   For an invalidated or damaged store, --best-effort writes what is left, lists
   which ranges are certain, and ends with 1 if not all of them are. A store that
   lost its header is read as 'repair' would leave it.

EXAMPLES:
   dmsnapctl extract cow.img --origin disk.img -o snapshot.img
   dmsnapctl extract cow.img --origin disk.img -o - | zstd > snapshot.zst
   dmsnapctl extract /dev/mapper/vg-old-cow --origin /dev/vg/root \
      --only-changes --side origin --content /dev/vg/new \
      --backing full.qcow2 -o monday.qcow2`

func extractCommand() *cli.Command {
	return &cli.Command{
		Name: "extract", Usage: "write a snapshot's content to a file", ArgsUsage: "STORE", Category: categoryTools, Description: extractHelp,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "origin", Usage: "the origin's `DEVICE` or file"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write to `FILE`; - is stdout (raw only)"},
			&cli.StringFlag{Name: "format", DefaultText: "raw; qcow2 with --only-changes", Usage: "the `FORMAT` of the file: raw or qcow2"},
			&cli.BoolFlag{Name: "only-changes", Usage: "write an overlay with only the changed chunks"},
			&cli.StringFlag{Name: "backing", Usage: "the backing `FILE` of the overlay"},
			&cli.StringFlag{Name: "side", Value: "snapshot", Usage: "write the chunks of this `SIDE`: snapshot or origin"},
			&cli.StringFlag{Name: "content", Usage: "read the origin's chunks from the snapshot `DEVICE`"},
			&cli.BoolFlag{Name: "best-effort", Usage: "write what is left of an invalidated or damaged store"},
		},
		Action: withArgs("STORE", byName(runExtract)),
	}
}

// extractJSON is the result as JSON. The lists of certain and uncertain ranges
// follow: they can be millions, and are written piece by piece.
type extractJSON struct {
	Schema  string         `json:"schema"`
	Path    string         `json:"path"`
	Output  string         `json:"output"`
	Format  string         `json:"format"`
	Bytes   int64          `json:"bytes"`
	Changed int64          `json:"changed_bytes"`
	Verdict verify.Verdict `json:"verdict"`
	// Header is "guessed" if the store lost its own, and the areas show this
	// chunk size. Then the certain parts are so only if it is right.
	Header      string      `json:"header,omitempty"`
	HeaderChunk cow.Sectors `json:"header_chunk_sectors,omitempty"`
}

// extraction is one run.
type extraction struct {
	c       *cli.Context
	o       *console
	to      *output.Destination
	format  string
	origins bool // the origin's side
	backing *image.Backing
	below   uint64 // the size of the backing image's content, in bytes
	content io.ReaderAt
	im      *image.Image
	report  *verify.Report
	guessed cow.Sectors // the chunk size of a lost header; 0 if it is there
}

func runExtract(c *cli.Context) (err error) {
	e := &extraction{c: c, o: outputOf(c)}
	if err := e.flags(); err != nil {
		return err
	}
	path := storeArg(c, 0)
	origin, err := e.o.openInput(c.String("origin"))
	if err != nil {
		return fmt.Errorf("extract: the origin: %w", adviseOpening(err, "the origin's device or file"))
	}
	defer func() { err = errors.Join(err, origin.Close()) }()
	if b := uint64(origin.Size()); e.backing != nil && e.below != b && e.below != b/cow.SectorSize*cow.SectorSize {
		return fmt.Errorf("extract: the backing file %s has %d bytes, the origin %d: not an image of it", c.String("backing"), e.below, b)
	}
	if c.IsSet("content") { // before the store is read: what joins the list later is in it
		content, err := e.o.openInput(c.String("content"))
		if err != nil {
			return fmt.Errorf("extract: the content: %w", adviseOpening(err, "a snapshot of the origin"))
		}
		defer func() { err = errors.Join(err, content.Close()) }()
		if content.Size() < origin.Size() {
			return fmt.Errorf("extract: %s has %d bytes, the origin %d: not a snapshot of it", content.Path(), content.Size(), origin.Size())
		}
		e.content = content
	}
	file, err := openStoreFile(c.Context, e.o, path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.close()) }()
	if err := e.mayRead(file, origin); err != nil {
		return err
	}
	if e.origins && e.content == nil {
		e.content = origin
	}
	e.im, e.report, err = file.image(c.Context, e.o, origin, c.Bool("best-effort"))
	if err != nil {
		return fmt.Errorf("extract %s: %w", path, leaving(err, notWritten(e.to)))
	}
	defer func() { err = errors.Join(err, e.im.Close()) }()
	e.guessed = file.guessed
	if err := e.write(); err != nil {
		return fmt.Errorf("extract %s: %w", path, leaving(err, notWritten(e.to)))
	}
	return e.tell(path)
}

// flags reads the command line.
func (e *extraction) flags() (err error) {
	c := e.c
	if err := needFlags(c, "origin", "output"); err != nil {
		return err
	}
	only, side := c.Bool("only-changes"), c.String("side")
	e.format, e.origins = c.String("format"), side == "origin"
	if e.format == "" {
		e.format = map[bool]string{false: "raw", true: "qcow2"}[only]
	}
	switch {
	case e.format != "raw" && e.format != "qcow2":
		return usagef("extract: --format %q: want raw or qcow2", e.format)
	case side != "snapshot" && side != "origin":
		return usagef("extract: --side %q: want snapshot or origin", side)
	case only && e.format == "raw":
		return usagef("extract: --only-changes makes a qcow2 overlay; leave --format raw out")
	case only != c.IsSet("backing"):
		return usagef("extract: --only-changes and --backing go together")
	case e.origins && !only:
		return usagef("extract: --side origin needs --only-changes: the whole origin is available already")
	case c.IsSet("content") && !e.origins:
		return usagef("extract: --content needs --side origin")
	case c.String("output") == "-" && e.format == "qcow2":
		return usagef("extract: a qcow2 image cannot be written to stdout; name a file with -o")
	case c.String("output") == "-" && e.o.json:
		return usagef("extract: --json and -o - both want stdout; name a file for the image")
	}
	reads := []string{storeArg(c, 0), c.String("origin"), c.String("backing"), c.String("content")}
	if e.to, err = output.To(c.String("output"), output.Options{Reads: reads, Stdout: e.o.out, Stderr: e.o.err, Private: true}); err != nil {
		return err
	}
	if only {
		e.backing, e.below, err = backingOf(c.String("backing"), c.String("output"))
	}
	return err
}

// backingOf is the backing image as the overlay stores it, and the size of its
// content in bytes.
func backingOf(path, overlay string) (_ *image.Backing, size uint64, err error) {
	f, err := blockdev.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("extract: the backing file: %w", adviseOpening(err, "an image"))
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b := &image.Backing{Format: "raw"}
	size, is, err := image.Qcow2Size(f)
	switch {
	case err != nil:
		return nil, 0, fmt.Errorf("extract: the backing file: %w", err)
	case is:
		b.Format = "qcow2"
	default:
		size = uint64(f.Size())
	}
	if b.Name, err = backingName(path, overlay); err != nil {
		return nil, 0, fmt.Errorf("extract: the name of the backing file: %w", err)
	}
	return b, size, nil
}

// backingName is the name of a backing file in an overlay: a relative path
// becomes relative to the overlay's directory, after all links, as the kernel
// takes a name with dots. What looks like a protocol to QEMU, which ends with a
// colon, becomes a path.
func backingName(path, overlay string) (string, error) {
	if filepath.IsAbs(path) {
		return path, nil
	}
	dir, err := realDirectory(overlay)
	if err != nil {
		return "", err
	}
	below, err := realDirectory(path)
	if err != nil {
		return "", err
	}
	name, err := filepath.Rel(dir, filepath.Join(below, filepath.Base(path)))
	if err != nil {
		return "", err
	}
	if at := strings.IndexAny(name, ":/"); at >= 0 && name[at] == ':' {
		name = "./" + name
	}
	return name, nil
}

// realDirectory is the absolute path without links of a file's directory.
func realDirectory(path string) (string, error) {
	dir, _ := filepath.Split(path) // Dir takes dots without a look at links
	dir, err := filepath.EvalSymlinks(dir + ".")
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}

// mayRead refuses what changes while it is read. The kernel no longer writes
// to the store of a snapshot that it has invalidated.
func (e *extraction) mayRead(store *storeFile, origin *blockdev.File) error {
	if !e.origins {
		if store.active == nil {
			return nil
		}
		invalidated, err := store.isInvalidated(e.c.Context)
		if err != nil {
			return fmt.Errorf("extract %s: %w", store.path, err)
		}
		if invalidated {
			return nil
		}
		return fmt.Errorf("extract %s: in use by %s; read the image from that device", store.path, store.active.by)
	}
	by, err := usersOf(origin)
	if err != nil {
		return err
	}
	if by != "" && e.content == nil {
		return fmt.Errorf("extract %s: the origin is in use (%s) and changes while it is read; take a second snapshot of it and name that with --content", store.path, by)
	}
	return nil
}

func (e *extraction) write() error {
	shown := startCopyProgress(e.o)
	defer shown.stop()
	tell := func(p image.Progress) { shown.update(p.Done, p.Total) }
	ctx := e.c.Context
	switch {
	case e.to.IsStdout():
		return e.to.Write(func(w io.Writer) error { return e.im.StreamRaw(ctx, w, tell) })
	case e.format == "raw":
		return e.to.WriteImage(e.im.Size(), func(f *os.File) error { return e.im.WriteRaw(ctx, f, tell) })
	case e.backing == nil:
		return e.to.WriteImage(0, func(f *os.File) error { return e.im.WriteQcow2(ctx, f, tell) })
	}
	return e.to.WriteImage(0, func(f *os.File) error { return e.im.WriteOverlay(ctx, f, *e.backing, e.content, tell) })
}

// tell reports what was written, and which parts are certain.
func (e *extraction) tell(path string) error {
	r := extractJSON{
		Schema: schemaOf(e.o.command), Path: path, Output: e.c.String("output"), Format: e.format,
		Bytes: e.im.Size(), Verdict: e.report.Verdict,
	}
	known, err := certaintyOf(e.im, e.report, e.guessed)
	if err != nil {
		return err
	}
	r.Header, r.HeaderChunk = known.header(), known.guessed
	if r.Changed, err = image.Length(e.im.Changed()); err != nil {
		return err
	}
	if e.o.json {
		err = e.printJSON(r)
	} else {
		err = e.tellText(r, known)
	}
	if err != nil {
		return showing(fmt.Sprintf("extract %s: %s is complete", path, r.Output), err)
	}
	known.warn(e.o, path)
	return known.code()
}

// tellText is the result for people: on stderr if stdout has the image.
func (e *extraction) tellText(r extractJSON, known certainty) error {
	lines := known.lines()
	if e.to.IsStdout() {
		for _, line := range lines {
			e.o.warnf("extract %s: %s", r.Path, line)
		}
		return nil
	}
	lines = append([]string{fmt.Sprintf("%s: %s, %s of it changed", output.Name(r.Output), count.Bytes(uint64(r.Bytes)), count.Bytes(uint64(r.Changed)))}, lines...)
	_, err := fmt.Fprintf(e.o.out, "%s\n", strings.Join(lines, "\n  "))
	return err
}

// printJSON prints the result piece by piece.
func (e *extraction) printJSON(r extractJSON) error {
	out := output.NewObject(e.o.out)
	err := out.Fields(r)
	list := func(name string, spans iter.Seq2[image.Span, error]) {
		out.BeginList(name)
		err = errors.Join(err, out.Elements(func(w *bufio.Writer) error {
			_, err := writeSpans(w, spans)
			return err
		}))
		out.EndList()
	}
	list("certain", e.im.Certain())
	list("uncertain", e.im.Uncertain())
	return cmp.Or(err, out.Close(true))
}
