package output

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// TestNothingIsLeftOfAnImage: an image or an undo file has no name until it is
// complete, so a run that is killed leaves nothing. A file system that has no
// files without a name gets a hidden one.
func TestNothingIsLeftOfAnImage(t *testing.T) {
	defer func(old func(*os.Root, string, os.FileMode) (*os.File, error)) { unnamed = old }(unnamed)
	for name, opt := range map[string]Options{"an image": {Private: true}, "an undo file": {Private: true, New: true}, "a new file": {New: true}} {
		for _, have := range []bool{true, false} {
			if unnamed = openUnnamed; !have {
				unnamed = func(*os.Root, string, os.FileMode) (*os.File, error) { return nil, errors.ErrUnsupported }
			}
			path := filepath.Join(t.TempDir(), "out")
			d, err := To(path, opt)
			if err != nil {
				t.Fatal(err)
			}
			broken := errors.New("broken")
			fill := func(with error) func(*os.File) error {
				return func(f *os.File) error {
					if there := names(t, filepath.Dir(path)); (there == "") != have {
						t.Errorf("%s: meanwhile the directory has %q", name, there)
					}
					_, err := f.WriteString("new")
					return errors.Join(err, with)
				}
			}
			if err := d.WriteImage(0, fill(broken)); !errors.Is(err, broken) || names(t, filepath.Dir(path)) != "" {
				t.Errorf("%s: %v, and the directory has %q", name, err, names(t, filepath.Dir(path)))
			}
			if err := d.WriteImage(0, fill(nil)); err != nil || content(t, path) != "new" || names(t, filepath.Dir(path)) != "out" {
				t.Errorf("%s: %v, and the directory has %q", name, err, names(t, filepath.Dir(path)))
			}
			info, err := os.Stat(path)
			if err != nil || opt.Private && info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, mode %v", name, err, info.Mode())
			}
		}
	}
}
