package output

// Where a result goes: which places are refused, and what a place is given.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Refusal says why nothing is written to a place. Nothing was touched.
type Refusal struct {
	Path string
	Why  string // continues the path: "is a link"
}

func (r *Refusal) Error() string { return r.Path + " " + r.Why }

// Options is what the writer of a Destination knows of it.
type Options struct {
	// Reads are the paths that the same run reads; "-" is stdin and "" none.
	// None of them is written to, by whatever name.
	Reads []string
	// Stdout is where "-" goes. Without it "-" is refused.
	Stdout io.Writer
	// Private is for the content of devices: the file is its owner's alone.
	Private bool
	// New refuses a file that is there already.
	New bool
}

// Destination is a file that is to be written, or stdout.
type Destination struct {
	path  string
	opt   Options
	reads []read
}

// To is the place that path names. A place that must not be written is refused
// here, with a *Refusal, before anything is read; Write looks again. Refused
// are links, whatever is no regular file, what this run reads, and a file that
// carries a COW store, a log of dm-log-writes or another signature.
func To(path string, opt Options) (*Destination, error) {
	d := &Destination{path: path, opt: opt, reads: statAll(opt.Reads)}
	if d.IsStdout() {
		return d, d.checkStdout()
	}
	dir, name, err := d.open()
	var refused *Refusal
	if errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return d, nil // Write will say so
	}
	defer dir.Close() // it was looked into only
	if _, err := d.look(dir, name); errors.As(err, &refused) {
		return nil, err
	}
	return d, nil
}

// IsStdout tells whether the place is stdout.
func (d *Destination) IsStdout() bool { return d.path == "-" }

// Path is the place as it was named.
func (d *Destination) Path() string { return d.path }

// Write replaces the file by what fill writes, or writes it to stdout. Readers
// of the file see the old content or all of the new, after a crash as well. An
// error means that the old content is still there.
func (d *Destination) Write(fill func(io.Writer) error) error {
	if d.IsStdout() {
		return fill(d.opt.Stdout)
	}
	return d.replace(func(f *os.File) error {
		w := bufio.NewWriterSize(f, 64<<10)
		if err := fill(w); err != nil {
			return err
		}
		return w.Flush()
	})
}

// WriteImage is Write for what is written in any order. The file has size
// bytes from the beginning (0: it grows as it is written); what fill leaves out
// reads as zeros and takes no space.
func (d *Destination) WriteImage(size int64, fill func(*os.File) error) error {
	if d.IsStdout() {
		return &Refusal{Path: "stdout", Why: "cannot be written in any order; name a file"}
	}
	return d.replace(func(f *os.File) error {
		if err := f.Truncate(size); err != nil {
			return err
		}
		return fill(f)
	})
}

// checkStdout refuses a stdout that is redirected into what is read.
func (d *Destination) checkStdout() error {
	if d.opt.Stdout == nil {
		return &Refusal{Path: "-", Why: "is no place for it; name a file"}
	}
	f, ok := FileOf(d.opt.Stdout)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() && info.Mode()&fs.ModeDevice == 0 {
		return nil
	}
	return d.checkReads("stdout", info)
}

// open opens the directory of a place: what happens in it from then on is not
// diverted by links above.
func (d *Destination) open() (dir *os.Root, name string, err error) {
	name = filepath.Base(d.path)
	if d.path == "" || strings.HasSuffix(d.path, string(filepath.Separator)) || name == ".." {
		return nil, "", &Refusal{Path: fmt.Sprintf("%q", d.path), Why: "names no file"}
	}
	dir, err = os.OpenRoot(filepath.Dir(d.path))
	return dir, name, err
}

// look says what is at the place: nil where nothing is, a *Refusal where it
// must stay.
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
			return &Refusal{Path: path, Why: fmt.Sprintf("is %s, which is only read; name another file", r.name)}
		}
	}
	return nil
}

// checkContent refuses a file that somebody may still need.
func (d *Destination) checkContent(dir *os.Root, name string, info fs.FileInfo) error {
	f, err := openAsIs(dir, name, info)
	if err != nil {
		return fmt.Errorf("it cannot be told what is there: %w", err)
	}
	defer f.Close() // it was read from only
	what, err := carries(f, info.Size())
	switch {
	case err != nil:
		return fmt.Errorf("it cannot be told what is there: %w", err)
	case what != "":
		return d.refuse(fmt.Sprintf("carries data (%s); name another file, or remove it first", what))
	}
	return nil
}

func (d *Destination) refuse(why string) error { return &Refusal{Path: d.path, Why: why} }
