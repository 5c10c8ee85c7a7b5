package output

// What is at a destination, and whether it may be replaced.

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Refusal says why a destination is not written. Nothing was changed.
type Refusal struct {
	Path string
	Why  string // continues the path: "is a link"
	// Stdout and Stderr are set if that stream is redirected into a file that the
	// run reads: not even an error may be written there.
	Stdout, Stderr bool
}

func (r *Refusal) Error() string { return r.Path + " " + r.Why }

// open opens the directory of the destination. From then on, links above it
// cannot redirect what happens in it.
func (d *Destination) open() (dir *os.Root, name string, err error) {
	name = filepath.Base(d.path)
	if d.path == "" || strings.HasSuffix(d.path, string(filepath.Separator)) || name == ".." {
		return nil, "", &Refusal{Path: fmt.Sprintf("%q", d.path), Why: "names no file"}
	}
	dir, err = os.OpenRoot(filepath.Dir(d.path))
	return dir, name, err
}

// look returns what is at the destination: nil if nothing is there, a *Refusal
// if it must stay.
func (d *Destination) look(dir *os.Root, name string) (fs.FileInfo, error) {
	info, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, d.refuse("is a link, and links are not written through; name the file itself")
	case !info.Mode().IsRegular():
		return nil, d.refuse("is no regular file; name another one")
	case d.opt.New:
		return nil, d.refuse("exists already; name a new file")
	}
	if err := d.checkReads(d.path, info); err != nil {
		return nil, err
	}
	return info, d.checkContent(dir, name, info)
}

func (d *Destination) checkReads(path string, info fs.FileInfo) error {
	for _, r := range d.reads {
		if r.is(info) {
			if r.name == path {
				return &Refusal{Path: path, Why: "is read by the same command; name another file"}
			}
			return &Refusal{Path: path, Why: fmt.Sprintf("is the same file as %s, which the command reads; name another file", r.name)}
		}
	}
	return nil
}

// checkContent refuses a file that somebody may still need.
func (d *Destination) checkContent(dir *os.Root, name string, info fs.FileInfo) error {
	f, err := openAsIs(dir, name, info)
	if err != nil {
		return fmt.Errorf("cannot tell what is there: %w", err)
	}
	defer f.Close() // it was only read
	what, err := carries(f, info.Size())
	switch {
	case err != nil:
		return fmt.Errorf("cannot tell what is there: %w", err)
	case what != "":
		return d.refuse(fmt.Sprintf("contains data (%s); name another file, or remove it first", what))
	}
	return nil
}

func (d *Destination) refuse(why string) error { return &Refusal{Path: d.path, Why: why} }
