package output

// Where a result goes: which destinations are refused, and how a file is
// written.

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Options describes the use of a Destination.
type Options struct {
	// Reads are the paths that the same run reads; "-" is stdin, and "" means
	// none. They are never overwritten, under any name.
	Reads []string
	// Stdout is the destination "-". If it is nil, "-" is refused.
	Stdout io.Writer
	// Stderr is where a refusal of "-" is reported.
	Stderr io.Writer
	// Private is for the content of devices: only the owner may read the file.
	Private bool
	// New refuses a file that exists.
	New bool
}

// Destination is a file to be written, or stdout.
type Destination struct {
	path  string
	opt   Options
	reads []readFile
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
	if err := d.check(); err != nil {
		return nil, err
	}
	return d, nil
}

// check refuses a destination that must not be written. Write reports other
// errors.
func (d *Destination) check() error {
	dir, name, err := d.open()
	if err == nil {
		defer dir.Close() // it was only read
		_, err = d.look(dir, name)
	}
	if refused, is := errors.AsType[*Refusal](err); is {
		return refused
	}
	return nil
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
	return CheckStreams(d.opt.Reads, d.opt.Stdout, d.opt.Stderr)
}

// CheckStreams refuses, with a *Refusal, to read what stdout or stderr is
// redirected into.
func CheckStreams(reads []string, stdout, stderr io.Writer) error {
	out, errs := redirected(stdout), redirected(stderr)
	if out == nil && errs == nil {
		return nil
	}
	d := &Destination{reads: statAll(reads)}
	intoOut, intoErr := d.checkStream("stdout", out), d.checkStream("stderr", errs)
	refused := cmp.Or(intoOut, intoErr)
	if refused == nil {
		return nil
	}
	refused.Stdout, refused.Stderr = intoOut != nil, intoErr != nil
	return refused
}

// redirected is the file or block device that a stream goes to, or nil.
func redirected(w io.Writer) fs.FileInfo {
	f, ok := FileOf(w)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() && info.Mode()&(fs.ModeDevice|fs.ModeCharDevice) != fs.ModeDevice {
		return nil
	}
	return info
}

func (d *Destination) checkStream(name string, info fs.FileInfo) *Refusal {
	if info == nil {
		return nil
	}
	refused, _ := errors.AsType[*Refusal](d.checkReads(name, info))
	return refused
}

// SamePlace reports whether two paths name the same file in the same directory,
// whether it exists or not.
func SamePlace(a, b string) bool {
	if filepath.Base(a) != filepath.Base(b) {
		return false
	}
	dirA, errA := os.Stat(filepath.Dir(a))
	dirB, errB := os.Stat(filepath.Dir(b))
	return errA == nil && errB == nil && os.SameFile(dirA, dirB)
}

// Spare adds what the run has read to what is not written to. If the place turns
// out to be one of these files, the error is a *Refusal.
func (d *Destination) Spare(read ...fs.FileInfo) error {
	for _, info := range read {
		d.reads = append(d.reads, readFile{info.Name(), info})
	}
	if d.IsStdout() {
		if refused := d.checkStream("stdout", redirected(d.opt.Stdout)); refused != nil {
			refused.Stdout = true
			return refused
		}
		return nil
	}
	return d.check()
}
