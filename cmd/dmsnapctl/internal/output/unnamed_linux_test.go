package output

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// watch returns a function that tells what has happened to names in a directory
// since.
func watch(t *testing.T, dir string) func() []string {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if _, err := unix.InotifyAddWatch(fd, dir, unix.IN_CREATE|unix.IN_DELETE|unix.IN_MOVE); err != nil {
		t.Fatal(err)
	}
	words := map[uint32]string{unix.IN_CREATE: "create", unix.IN_DELETE: "delete", unix.IN_MOVED_FROM: "move", unix.IN_MOVED_TO: "to"}
	return func() (events []string) {
		b := make([]byte, 64<<10)
		n, err := unix.Read(fd, b)
		if errors.Is(err, unix.EAGAIN) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		for b = b[:n]; len(b) > 0; {
			e := (*unix.InotifyEvent)(unsafe.Pointer(&b[0]))
			name := strings.TrimRight(string(b[unix.SizeofInotifyEvent:][:e.Len]), "\x00")
			if strings.HasPrefix(name, ".") {
				name = "hidden"
			}
			events = append(events, words[e.Mask]+" "+name)
			b = b[unix.SizeofInotifyEvent+int(e.Len):]
		}
		return events
	}
}

// TestNamesOfAnImage: a new file gets no name but its own, and only when it is
// complete; one that replaces another has a hidden one for the rename. A name is
// tried before, on an empty file.
func TestNamesOfAnImage(t *testing.T) {
	tried := []string{"create hidden", "delete hidden"}
	for name, tc := range map[string]struct {
		opt  Options
		old  bool
		want []string
	}{
		"an undo file":   {Options{Private: true, New: true}, false, []string{"create out"}},
		"an image":       {Options{Private: true}, false, []string{"create hidden", "move hidden", "to out"}},
		"an image again": {Options{Private: true}, true, []string{"create hidden", "move hidden", "to out"}},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "out")
		if tc.old {
			write(t, path, "old")
		}
		d, err := To(path, tc.opt)
		if err != nil {
			t.Fatal(err)
		}
		seen := watch(t, dir)
		err = d.WriteImage(0, func(f *os.File) error {
			if got := seen(); !slices.Equal(got, tried) {
				t.Errorf("%s: before the content: %q", name, got)
			}
			_, err := f.WriteString("new")
			return err
		})
		if got := seen(); err != nil || !slices.Equal(got, tc.want) || content(t, path) != "new" {
			t.Errorf("%s: %v, %q, want %q", name, err, got, tc.want)
		}
	}
}

// TestANewFileReplacesNothing: not even one that came meanwhile.
func TestANewFileReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	d, err := To(path, Options{Private: true, New: true})
	if err != nil {
		t.Fatal(err)
	}
	err = d.WriteImage(0, func(*os.File) error { write(t, path, "theirs"); return nil })
	if refused := new(Refusal); !errors.As(err, &refused) || content(t, path) != "theirs" || names(t, filepath.Dir(path)) != "out" {
		t.Errorf("%v, and the directory has %q", err, names(t, filepath.Dir(path)))
	}
}

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
