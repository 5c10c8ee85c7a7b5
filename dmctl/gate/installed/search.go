package installed

// Searching for a module that no index names, in the kernel's directory.

import (
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/dmsnapctl/dmsnapctl/dmctl/gate/installed/tree"
)

// searchedFirst are the directories that win over the kernel's own modules in
// the distributions' configuration of depmod.
var searchedFirst = []string{"updates", "extra", "weak-updates"}

// searchedNever are links to the sources of modules.
var searchedNever = []string{"build", "source"}

// Bounds of one search. A kernel's directory has about 6000 files, six levels
// deep.
const (
	maxSearched    = 1 << 16
	maxSearchDepth = 16
)

var errTooManyFiles = fmt.Errorf("more than %d files", maxSearched)

// moduleSearch walks through one kernel's directory.
type moduleSearch struct {
	*system
	left int             // how many more files may be seen
	seen map[string]bool // directories, by their paths without links
	// failure is why a module may have been missed.
	failure error
}

// searchModule returns the module that counts in a kernel's directory, or "". A
// directory that cannot be read is an error if it could hold a module that wins
// over all others.
func (t *system) searchModule(dir string) (string, error) {
	if t.Dangles(dir) {
		return "", &fs.PathError{Op: "open", Path: dir, Err: tree.ErrDangling}
	}
	s := moduleSearch{system: t, left: maxSearched, seen: make(map[string]bool)}
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
	resolved, err := s.Resolve(dir)
	if tree.IsMissing(err) && depth == 0 {
		return ""
	}
	if err != nil || s.seen[resolved] || !s.IsDirectory(resolved) {
		s.fail(err)
		return ""
	}
	s.seen[resolved] = true
	entries, err := s.ReadDir(resolved)
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

// leadsOn reports whether an entry is a directory or a link to one. A link to
// nothing is not a failure: weak-updates/ is full of them when a kernel is
// gone.
func (s *moduleSearch) leadsOn(dir string, e fs.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	resolved, err := s.Resolve(path.Join(dir, e.Name()))
	if err != nil && !tree.IsMissing(err) {
		s.fail(err)
	}
	return err == nil && s.IsDirectory(resolved)
}

func (s *moduleSearch) fail(err error) {
	if s.failure == nil {
		s.failure = err
	}
}
