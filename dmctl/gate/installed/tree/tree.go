// Package tree reads the files of a system below its root directory, and
// follows the system's symbolic links without leaving it. It bounds what is
// read, and must not know kernels or boot loaders.
package tree

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/dmsnapctl/dmsnapctl/verify/count"
)

// Tree is the files of a system below its root directory.
type Tree struct {
	// Opened is called for each file that is opened, unless it is nil. Several
	// goroutines may call it at once.
	Opened func(fs.FileInfo)

	fsys  fs.FS
	close func() error
}

// Open opens the system below dir; "/" is the running one. The caller must call
// Close.
func Open(dir string) (*Tree, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	return &Tree{fsys: root.FS(), close: root.Close}, nil
}

// New returns the tree of a system in any file system. Links can be followed if
// it is an [fs.ReadLinkFS].
func New(fsys fs.FS) *Tree {
	return &Tree{fsys: fsys, close: func() error { return nil }}
}

// Close frees the root directory.
func (t *Tree) Close() error { return t.close() }

// maxLinks is how many links are followed on the way to one file, as in the
// kernel (MAXSYMLINKS).
const maxLinks = 40

// maxPath bounds a name, as the kernel does (PATH_MAX): each of its parts is
// looked up.
const maxPath = 4096

var errTooManyLinks = errors.New("too many symbolic links")

// Resolve returns the path of name with all links followed as if the tree's
// root were "/": absolute links start at it, and ".." never leaves it.
func (t *Tree) Resolve(name string) (string, error) {
	if len(name) > maxPath {
		return "", &fs.PathError{Op: "open", Path: name[:64] + "...", Err: syscall.ENAMETOOLONG}
	}
	done, rest, links := ".", strings.Split(name, "/"), 0
	for len(rest) > 0 {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		info, err := fs.Lstat(t.fsys, next)
		if err != nil {
			return "", &fs.PathError{Op: "open", Path: name, Err: bareError(err)} // the links on the way say little
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = next
			continue
		}
		if links++; links > maxLinks {
			return "", &fs.PathError{Op: "open", Path: name, Err: errTooManyLinks}
		}
		target, err := fs.ReadLink(t.fsys, next)
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			done = "."
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	return done, nil
}

// bareError returns an error without its path.
func bareError(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

// Open opens a regular file; a device or pipe in its place would block or
// never end.
func (t *Tree) Open(name string) (fs.File, error) {
	resolved, err := t.Resolve(name)
	if err != nil {
		return nil, err
	}
	info, err := fs.Lstat(t.fsys, resolved)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	f, err := t.fsys.Open(resolved)
	if err == nil && t.Opened != nil {
		t.Opened(info)
	}
	return f, err
}

// MaxText bounds the configuration and index files that are read whole. The
// largest, modules.dep, has about 512 KiB.
const MaxText = 16 << 20

// Read returns the text of a file of at most MaxText bytes.
func (t *Tree) Read(name string) (string, error) { return t.ReadAtMost(name, MaxText) }

var ErrTooLong = errors.New("is longer than the bound")

// ReadAtMost returns the text of a file. If it has more than most bytes, the
// error is ErrTooLong.
func (t *Tree) ReadAtMost(name string, most int64) (string, error) {
	f, err := t.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	var b strings.Builder
	if info, err := f.Stat(); err == nil { // the kernel's files of variables say 0
		b.Grow(int(min(info.Size(), most)))
	}
	n, err := io.Copy(&b, io.LimitReader(f, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("%s %w of %s", name, ErrTooLong, count.Bytes(uint64(most)))
	}
	return b.String(), err
}

// List returns the names in a directory, sorted; none if there is no such
// directory.
func (t *Tree) List(name string) ([]fs.DirEntry, error) {
	resolved, err := t.Resolve(name)
	if err == nil && !t.IsDirectory(resolved) {
		return nil, nil
	}
	if err == nil {
		var entries []fs.DirEntry
		if entries, err = fs.ReadDir(t.fsys, resolved); err == nil {
			return entries, nil
		}
	}
	if IsMissing(err) {
		return nil, nil
	}
	return nil, err
}

// IsMissing reports whether err means that a name does not exist; all other
// errors leave that open. Nothing exists below a file, even one in the place of
// a directory (a README in /lib/modules).
func IsMissing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}

// Exists reports whether a name exists, or may exist: what cannot be looked at
// is not known to be missing.
func (t *Tree) Exists(name string) bool {
	_, err := t.Resolve(name)
	return !IsMissing(err)
}

// IsDirectory reports whether a path without links is a directory.
func (t *Tree) IsDirectory(resolved string) bool {
	info, err := fs.Lstat(t.fsys, resolved)
	return err == nil && info.IsDir()
}

// Dangles reports whether name is a link to nothing.
func (t *Tree) Dangles(name string) bool {
	_, err := t.ReadLink(name)
	return err == nil && !t.Exists(name)
}

// ReadLink returns the text of a link.
func (t *Tree) ReadLink(name string) (string, error) {
	dir, err := t.Resolve(path.Dir(name))
	if err != nil {
		return "", err
	}
	return fs.ReadLink(t.fsys, path.Join(dir, path.Base(name)))
}

// ReadDir returns the entries of a directory by its path without links, sorted.
func (t *Tree) ReadDir(resolved string) ([]fs.DirEntry, error) { return fs.ReadDir(t.fsys, resolved) }

// ErrDangling means that a name is a link to nothing.
var ErrDangling = errors.New("a link to nothing")
