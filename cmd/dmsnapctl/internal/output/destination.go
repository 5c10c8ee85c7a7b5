package output

// Where a result goes: which destinations are refused, and how a file is
// written.

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
)

// Options describes the use of a Destination.
type Options struct {
	// Reads are the paths that the same run reads; "-" is stdin, and "" means
	// none. They are never overwritten, under any name.
	Reads []string
	// Stdout is the destination "-". If it is nil, "-" is refused.
	Stdout io.Writer
	// Private is for the content of devices: only the owner may read the file.
	Private bool
	// New refuses a file that exists.
	New bool
}

// Destination is a file to be written, or stdout.
type Destination struct {
	path  string
	opt   Options
	reads []read
}

// To returns the destination that path names. It refuses a destination that
// must not be written, with a *Refusal, before anything is read; Write checks
// again. Refused are links, everything that is not a regular file, files that
// this run reads, and files with a COW store, a log of dm-log-writes or another
// signature.
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
		return d, nil // Write will report it
	}
	defer dir.Close() // it was only read
	if _, err := d.look(dir, name); errors.As(err, &refused) {
		return nil, err
	}
	return d, nil
}

// IsStdout reports whether the destination is stdout.
func (d *Destination) IsStdout() bool { return d.path == "-" }

// Path returns the path as the user gave it.
func (d *Destination) Path() string { return d.path }

// Write replaces the file by what fill writes, or writes it to stdout. Readers
// of the file see the complete old or the complete new content, even after a
// crash. An error means that the old content is still there.
func (d *Destination) Write(fill func(io.Writer) error) error {
	if d.IsStdout() {
		return fill(Raw(d.opt.Stdout))
	}
	return d.replace(func(f *os.File) error {
		w := bufio.NewWriterSize(f, 64<<10)
		if err := fill(w); err != nil {
			return err
		}
		return w.Flush()
	})
}

// WriteImage is Write for content that is not written in order. The file has
// size bytes from the start; with size 0 it grows as it is written. Parts that
// fill does not write read as zeros and take no space.
func (d *Destination) WriteImage(size int64, fill func(*os.File) error) error {
	if d.IsStdout() {
		return &Refusal{Path: "stdout", Why: "can only be written in order; name a file"}
	}
	return d.replace(func(f *os.File) error {
		if err := f.Truncate(size); err != nil {
			return err
		}
		return fill(f)
	})
}

// checkStdout refuses a stdout that is redirected into a file that the run
// reads.
func (d *Destination) checkStdout() error {
	if d.opt.Stdout == nil {
		return &Refusal{Path: "-", Why: "cannot be used here; name a file"}
	}
	f, ok := FileOf(d.opt.Stdout)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() && info.Mode()&fs.ModeDevice == 0 {
		return nil
	}
	err = d.checkReads("stdout", info)
	if refused, is := errors.AsType[*Refusal](err); is {
		refused.Stdout = true
	}
	return err
}
