package output

// Replacing a file: a new file is written next to it and renamed over it.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// replace replaces the file by a new one that fill writes.
func (d *Destination) replace(fill func(*os.File) error) error {
	err := d.tryReplace(fill)
	var refused *Refusal
	if err == nil || errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("writing the result: %s: %w", d.path, err)
}

func (d *Destination) tryReplace(fill func(*os.File) error) (err error) {
	dir, name, err := d.open()
	if err != nil {
		return err
	}
	defer dir.Close() // Sync reported any error
	old, err := d.look(dir, name)
	if err != nil {
		return err
	}
	f, beside, named, move, err := d.create(dir, name, old)
	if err != nil {
		return withoutName(err, beside)
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = dir.Remove(beside)
		}
	}()
	for _, step := range []func() error{
		func() error { return fill(f) },
		func() error { return d.permit(f, old) },
		func() error { return syncFile(f) },
		func() error { return named(f) },
		f.Close,
		func() error { return move(dir, beside, name) },
	} {
		if err := step(); err != nil {
			return withoutName(err, beside)
		}
	}
	return syncDirectory(dir)
}

// withoutName is an error without the new file's name. Nobody knows that name, and
// it would make the same error look different each time.
func withoutName(err error, beside string) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok && filepath.Base(of.Path) == beside {
		return of.Err
	}
	if of, ok := errors.AsType[*os.LinkError](err); ok && filepath.Base(of.Old) == beside {
		return of.Err
	}
	return err
}

// syncFile makes the content durable, before the file has its name.
var syncFile = (*os.File).Sync // tests see when

// unnamed makes a file without a name.
var unnamed = openUnnamed // tests see file systems that have none

// create makes a new file next to name, for a name that no other file has. What
// can be large gets that name only when named is called, if possible, and a new
// file then gets its own at once: nothing is left of it if the run is killed. An
// old file can only be replaced by one that has a name, for the instant until move.
func (d *Destination) create(dir *os.Root, name string, old fs.FileInfo) (f *os.File, beside string, named func(*os.File) error, move func(dir *os.Root, from, to string) error, err error) {
	mode := fs.FileMode(0o666) // the umask applies
	if d.opt.Private || old != nil {
		mode = 0o600
	}
	const most = 200 // of the 255 bytes of a file name
	beside = "." + strings.ToValidUTF8(name[:min(len(name), most)], "") + "." + rand.Text()[:8]
	if d.opt.Private || d.opt.New {
		if f, err := unnamed(dir, beside, mode); err == nil {
			if d.opt.New {
				return f, beside, func(f *os.File) error { return d.giveNewName(f, dir, name) }, stay, nil
			}
			return f, beside, func(f *os.File) error { return giveName(f, dir, beside) }, d.move, nil
		}
	}
	f, err = dir.OpenFile(beside, os.O_RDWR|os.O_CREATE|os.O_EXCL, mode)
	return f, beside, func(*os.File) error { return nil }, d.move, err
}

// stay moves nothing: the file has its name.
func stay(*os.Root, string, string) error { return nil }

// giveNewName gives an unnamed file the name of the destination, which must be
// free.
func (d *Destination) giveNewName(f *os.File, dir *os.Root, name string) error {
	err := giveName(f, dir, name)
	if errors.Is(err, fs.ErrExist) {
		return d.refuse("exists already; name a new file")
	}
	return err
}

// permit gives the new file the permissions of the old one, so that the same
// users can read and write it. Images of devices are different: only their
// owner can read them.
func (d *Destination) permit(f *os.File, old fs.FileInfo) error {
	if old == nil {
		return nil
	}
	if err := takeOwner(f, old); err != nil {
		return err
	}
	mode := old.Mode().Perm()
	if d.opt.Private {
		mode &= 0o600
	}
	return f.Chmod(mode)
}

// move renames the new file, after checking once more what has that name. A
// rename replaces a link and does not follow it.
func (d *Destination) move(dir *os.Root, beside, name string) error {
	if d.opt.New {
		err := dir.Link(beside, name)
		if errors.Is(err, fs.ErrExist) {
			return d.refuse("exists already; name a new file")
		}
		if err == nil {
			return dir.Remove(beside)
		} // a file system without hard links
	}
	if _, err := d.look(dir, name); err != nil {
		return err
	}
	return dir.Rename(beside, name)
}

// syncDirectory makes the new name durable, if directories can be synced.
func syncDirectory(dir *os.Root) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close() // nothing was written to it
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
