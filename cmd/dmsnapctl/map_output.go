// Pictures as files: which names may be drawn into, and drawing.

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dmsnapctl/dmsnapctl/verify"
	"github.com/dmsnapctl/dmsnapctl/verify/picture"
)

// pictureFile is where a picture is to go, and how it is drawn; nil where
// none is asked for.
type pictureFile struct {
	name string // as it was given; "-" is stdout
	draw func(w io.Writer, name string, r *verify.Report) error
}

// pictureFlag reads the flag that names a picture. What is read (the store,
// the origin) must not be drawn over, by whatever name: that is found out
// before any of it is read.
func pictureFlag(c *cli.Context, flag string, read ...string) (*pictureFile, error) {
	if !c.IsSet(flag) {
		return nil, nil
	}
	p := &pictureFile{name: c.String(flag)}
	switch {
	case p.name == "":
		return nil, usagef("%s: --%s is empty; name a file that ends in .svg or .png", commandName(c), flag)
	case p.name == "-":
		p.draw = picture.SVG
		return p, nil
	case filepath.Ext(p.name) == ".svg":
		p.draw = picture.SVG
	case filepath.Ext(p.name) == ".png":
		p.draw = picture.PNG
	}
	// A store keeps its name, whatever that ends in.
	if err := checkPicture(p.name, read); err != nil {
		return nil, err
	}
	if p.draw == nil {
		return nil, usagef("%q is no name for a picture; it must end in .svg or .png", p.name)
	}
	return p, nil
}

// checkPicture refuses to draw over what is read, and over what is no plain
// file.
func checkPicture(name string, read []string) error {
	into, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(name); err == nil {
			return usagef("%s is a link to a file that is not there; name a new file for the picture", name)
		}
	}
	if err != nil {
		return nil // it is not there, or drawing will say why it cannot be drawn
	}
	for _, r := range read {
		for _, f := range append(filesUnder(r), r) {
			if info, err := os.Stat(f); err == nil && os.SameFile(into, info) {
				return usagef("%s is %s, which is only read; name another file for the picture", name, r)
			}
		}
	}
	if !into.Mode().IsRegular() {
		return usagef("%s is no regular file; name a new file for the picture", name)
	}
	return nil
}

// to draws a report, into the file or to stdout.
func (p *pictureFile) to(stdout io.Writer, r *judged) error {
	shown := printable(r.Path) // pictures show it as it is
	if p.name == "-" {
		return p.draw(stdout, shown, r.Report)
	}
	var drawn strings.Builder
	if err := p.draw(&drawn, shown, r.Report); err != nil {
		return err
	}
	name := p.name
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays one
	}
	return replaceFile(name, drawn.String())
}

// whyNoPicture says why there is nothing to draw; nothing where there is.
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
