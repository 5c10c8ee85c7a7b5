package output

// Where a result goes: which places are refused, and what a place is given.

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
)

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
	err = d.checkReads("stdout", info)
	if refused, is := errors.AsType[*Refusal](err); is {
		refused.Stdout = true
	}
	return err
}
