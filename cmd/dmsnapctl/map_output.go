// Pictures as files: which names may be drawn into, and drawing.

package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/cmd/dmsnapctl/internal/output"
	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// pictureFile is where a picture goes, and how it is drawn; nil if none is
// requested.
type pictureFile struct {
	*output.Destination
	draw func(w io.Writer, name string, r *verify.Report) error
}

// pictureFlag reads the flag that names a picture. A picture must not overwrite
// an input (the store, the origin) under any name; this is checked before the
// inputs are read.
func pictureFlag(c *cli.Context, flag string, read ...string) (*pictureFile, error) {
	if !c.IsSet(flag) {
		return nil, nil
	}
	name := c.String(flag)
	if name == "" {
		return nil, usagef("%s: --%s is empty; name a file that ends in .svg or .png", commandName(c), flag)
	}
	// This refuses to overwrite a store, no matter how its name ends.
	to, err := output.To(name, output.Options{Reads: read, Stdout: outputOf(c).out, Stderr: outputOf(c).err})
	if err != nil {
		return nil, err
	}
	switch {
	case to.IsStdout(), filepath.Ext(name) == ".svg":
		return &pictureFile{to, picture.SVG}, nil
	case filepath.Ext(name) == ".png":
		return &pictureFile{to, picture.PNG}, nil
	}
	return nil, usagef("%q: the name of a picture must end in .svg or .png", name)
}

// write draws a report, into the file or to stdout.
func (p *pictureFile) write(r *judged) error {
	return p.Write(func(w io.Writer) error { return p.draw(w, output.Text(r.Path), r.Report) })
}

// whyNoPicture says why there is nothing to draw; "" if there is.
func whyNoPicture(r *verify.Report) string {
	switch {
	case r.Partial:
		return "interrupted before the store was read to its end"
	case r.Usage != nil:
		return ""
	case r.Verdict == verify.Corrupt || r.Verdict == verify.Invalid:
		for _, f := range r.Findings { // the first is about the header
			return fmt.Sprintf("%s: %s", r.Verdict, f.Message)
		}
	}
	return verdictLine(r)
}
