package installed

// Looking for the module where no index names it: in the kernel's directory.

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// searchedFirst are the directories that win over the kernel's own modules, as
// the distributions configure depmod.
var searchedFirst = []string{"updates", "extra", "weak-updates"}

// searchedNever are links to what modules are built from.
var searchedNever = []string{"build", "source"}

// Bounds of one search. A kernel's directory has some 6000 files, six levels
// deep.
const (
	maxSearched    = 1 << 16
	maxSearchDepth = 16
)

var errTooManyFiles = fmt.Errorf("more than %d files", maxSearched)

// moduleSearch walks through one kernel's directory.
type moduleSearch struct {
	tree *Tree
	left int             // how many files may yet be seen
	seen map[string]bool // directories, by their paths without links
	// failure is why there may be a module that was not found.
	failure error
}

// searchModule returns the module that counts in a kernel's directory, "" for
// none. What cannot be read is an error where it could hold one that counts
// more than all that could.
func (t *Tree) searchModule(dir string) (string, error) {
	if t.dangles(dir) {
		return "", &fs.PathError{Op: "open", Path: dir, Err: errDangling}
	}
	s := moduleSearch{tree: t, left: maxSearched, seen: make(map[string]bool)}
	for _, first := range append(slices.Clone(searchedFirst), ".") {
		if file := s.walk(path.Join(dir, first), first == ".", 0); file != "" || s.failure != nil {
			return file, s.unlessFound(file)
		}
	}
	return "", nil
}

func (s *moduleSearch) unlessFound(file string) error {
	if file != "" {
		return nil
	}
	return s.failure
}

// walk looks at a directory's files first, and then below it.
func (s *moduleSearch) walk(dir string, top bool, depth int) string {
	resolved, err := s.tree.resolve(dir)
	if isMissing(err) && depth == 0 {
		return ""
	}
	if err != nil || s.seen[resolved] || !s.tree.isDirectory(resolved) {
		s.fail(err)
		return ""
	}
	s.seen[resolved] = true
	entries, err := fs.ReadDir(s.tree.fsys, resolved)
	s.fail(err)
	if s.left -= len(entries); s.left < 0 || depth > maxSearchDepth {
		s.fail(&fs.PathError{Op: "search", Path: dir, Err: errTooManyFiles})
		return ""
	}
	for _, suffix := range moduleSuffixes {
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == snapshotModule+suffix }) {
			return path.Join(dir, snapshotModule+suffix)
		}
	}
	for _, e := range entries {
		if !s.leadsOn(dir, e) || top && slices.Contains(searchedNever, e.Name()) {
			continue
		}
		if file := s.walk(path.Join(dir, e.Name()), false, depth+1); file != "" {
			return file
		}
	}
	return ""
}

// leadsOn tells directories and links to them. A link to nothing is no
// failure: weak-updates/ is full of them when a kernel is gone.
func (s *moduleSearch) leadsOn(dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	resolved, err := s.tree.resolve(path.Join(dir, e.Name()))
	if err != nil && !isMissing(err) {
		s.fail(err)
	}
	return err == nil && s.tree.isDirectory(resolved)
}

func (s *moduleSearch) fail(err error) {
	if s.failure == nil {
		s.failure = err
	}
}

var errDangling = errors.New("a link to what is not there")

// dangles reports whether name is a link to nothing.
func (t *Tree) dangles(name string) bool {
	_, err := t.readLink(name)
	return err == nil && !t.exists(name)
}

// readLink returns the text of the link that name is.
func (t *Tree) readLink(name string) (string, error) {
	dir, err := t.resolve(path.Dir(name))
	if err != nil {
		return "", err
	}
	return fs.ReadLink(t.fsys, path.Join(dir, path.Base(name)))
}
