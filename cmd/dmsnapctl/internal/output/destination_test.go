package output

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// names are those of a directory's entries, in order.
func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

func at(offset int, magic string) string { return strings.Repeat("\x00", offset) + magic + "\x01" }

func TestRefusedPlaces(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string) (path string)
		opt  Options
		why  string
	}{
		"link": {make: func(t *testing.T, dir string) string {
			write(t, filepath.Join(dir, "target"), "x")
			return link(t, filepath.Join(dir, "target"), filepath.Join(dir, "link"))
		}, why: "is a link"},
		"dangling link": {make: func(t *testing.T, dir string) string {
			return link(t, filepath.Join(dir, "nowhere"), filepath.Join(dir, "link"))
		}, why: "is a link"},
		"directory":      {make: func(_ *testing.T, dir string) string { return dir }, why: "is no regular file"},
		"trailing slash": {make: func(_ *testing.T, dir string) string { return filepath.Join(dir, "new") + "/" }, why: "names no file"},
		"parent":         {make: func(_ *testing.T, dir string) string { return dir + "/.." }, why: "names no file"},
		"nothing":        {make: func(*testing.T, string) string { return "" }, why: "names no file"},
		"device":         {make: func(*testing.T, string) string { return os.DevNull }, why: "is no regular file"},
		"stdout that is not taken": {
			make: func(*testing.T, string) string { return "-" }, why: "cannot be used here",
		},
		"file where a new one is wanted": {
			make: func(t *testing.T, dir string) string { return write(t, filepath.Join(dir, "there"), "x") },
			opt:  Options{New: true}, why: "exists already",
		},
		"store":    {make: func(t *testing.T, dir string) string { return write(t, dir+"/f", at(0, "SnAp")) }, why: "DM_snapshot_cow"},
		"log":      {make: func(t *testing.T, dir string) string { return write(t, dir+"/f", at(0, "rhswfsj\x00")) }, why: "dm-log-writes"},
		"ext4":     {make: func(t *testing.T, dir string) string { return write(t, dir+"/f", at(0x438, "\x53\xef")) }, why: "ext"},
		"raid end": {make: func(t *testing.T, dir string) string { return write(t, dir+"/f", at(4096, "\xfc\x4e\x2b\xa9")) }, why: "raid"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := c.make(t, dir)
			before := names(t, dir)
			_, err := To(path, c.opt)
			var refused *Refusal
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.why) {
				t.Errorf("To: %v, want a refusal that says %q", err, c.why)
			}
			if after := names(t, dir); after != before {
				t.Errorf("the directory has %s, had %s", after, before)
			}
		})
	}
}

func link(t *testing.T, old, name string) string {
	t.Helper()
	if err := os.Symlink(old, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// A file that is read is recognised under each of its names.
func TestWhatIsReadIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	file := write(t, filepath.Join(dir, "read"), "content")
	hard := filepath.Join(dir, "hard")
	if err := os.Link(file, hard); err != nil {
		t.Fatal(err)
	}
	soft := link(t, file, filepath.Join(dir, "soft"))
	open, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, reads := range []string{file, hard, soft, fmt.Sprintf("/dev/fd/%d", open.Fd()), fmt.Sprintf("/proc/self/fd/%d", open.Fd())} {
		for _, place := range []string{file, hard} {
			_, err := To(place, Options{Reads: []string{"", reads}})
			var refused *Refusal
			want := "is the same file as " + reads
			if reads == place {
				want = "is read by the same command"
			}
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), want) {
				t.Errorf("reads %s, writes %s: %v, want a refusal", reads, place, err)
			}
		}
	}
	stdout, err := os.OpenFile(hard, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	if _, err := To("-", Options{Reads: []string{file}, Stdout: &Stream{Writer: stdout}}); err == nil {
		t.Error("stdout that is redirected into what is read was taken")
	}
	if content(t, file) != "content" {
		t.Error("it was written to")
	}
}

func TestStdinIsReadToo(t *testing.T) {
	file := write(t, filepath.Join(t.TempDir(), "in"), "content")
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer func(before *os.File) { os.Stdin = before }(os.Stdin)
	os.Stdin = in
	if _, err := To(file, Options{Reads: []string{"-"}}); err == nil {
		t.Error("the file behind stdin was taken")
	}
}

// A destination that was fine when the run began, and is not when it ends.
func TestPlacesThatChange(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, path, victim string){
		"a planted link": func(t *testing.T, path, victim string) { link(t, victim, path) },
		"a planted store": func(t *testing.T, path, _ string) {
			write(t, path, at(0, "SnAp"))
		},
		"the input": func(t *testing.T, path, victim string) {
			if err := os.Link(victim, path); err != nil {
				t.Fatal(err)
			}
		},
		"a directory": func(t *testing.T, path, _ string) {
			if err := os.Mkdir(path, 0o777); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for when, during := range map[string]bool{"before writing": false, "while writing": true} {
			t.Run(name+" "+when, func(t *testing.T) {
				dir := t.TempDir()
				path, victim := filepath.Join(dir, "out"), write(t, filepath.Join(dir, "victim"), "precious")
				d, err := To(path, Options{Reads: []string{victim}})
				if err != nil {
					t.Fatal(err)
				}
				if !during {
					change(t, path, victim)
				}
				err = d.Write(func(w io.Writer) error {
					if during {
						change(t, path, victim)
					}
					return text("result")(w)
				})
				var refused *Refusal
				if !errors.As(err, &refused) {
					t.Errorf("%v, want a refusal", err)
				}
				if content(t, victim) != "precious" || names(t, dir) != "out victim" {
					t.Errorf("victim %q in %s", content(t, victim), names(t, dir))
				}
			})
		}
	}
}

// A link that appears after the last check is replaced, and not followed.
func TestRenamingFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "out"), write(t, filepath.Join(dir, "victim"), "precious")
	d, err := To(path, Options{New: true})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Write(func(io.Writer) error { link(t, victim, path); return nil })
	var refused *Refusal
	if !errors.As(err, &refused) || content(t, victim) != "precious" {
		t.Errorf("%v, victim %q", err, content(t, victim))
	}
}

func TestReplacing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("ü", 127)) // the longest of names
	d, err := To(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"first", "second, longer"} {
		if err := d.Write(text(want)); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	broken := errors.New("a full disk")
	err = d.Write(func(w io.Writer) error { _ = text("half")(w); return broken })
	if !errors.Is(err, broken) || content(t, path) != "second, longer" || len(names(t, dir)) != len(filepath.Base(path)) {
		t.Errorf("%v, left %q in %s", err, content(t, path), names(t, dir))
	}
}

func TestPicturesAreReplacedWhateverTheyPack(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "p.png"), pngMagic+strings.Repeat("\x55\xaa", 1000))
	d, err := To(path, Options{})
	if err != nil || d.Write(text("new")) != nil || content(t, path) != "new" {
		t.Errorf("%v, %q", err, content(t, path))
	}
}

func TestAMissingDirectoryIsToldWhenItIsWritten(t *testing.T) {
	d, err := To(filepath.Join(t.TempDir(), "no", "such"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Write(text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestStdout(t *testing.T) {
	var b strings.Builder
	d, err := To("-", Options{Stdout: &b})
	if err != nil || !d.IsStdout() || d.Write(text("x")) != nil || b.String() != "x" {
		t.Errorf("%v, %q", err, &b)
	}
	var refused *Refusal
	if err := d.WriteImage(1, nil); !errors.As(err, &refused) {
		t.Errorf("an image: %v, want a refusal", err)
	}
}

// The content is durable before the file has its name: a crash leaves the old
// file or the whole new one. Nothing may rely on a file that cannot be synced.
func TestContentIsSyncedBeforeTheName(t *testing.T) {
	defer func(old func(*os.File) error) { syncFile = old }(syncFile)
	for _, isNew := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "out")
		d, err := To(path, Options{New: isNew})
		if err != nil {
			t.Fatal(err)
		}
		failing := errors.New("no sync")
		syncFile = func(f *os.File) error {
			got := make([]byte, 99) // it may have no name at all
			if n, err := f.ReadAt(got, 0); err != io.EOF || string(got[:n]) != "all of it" {
				t.Errorf("synced with %q, %v", got[:n], err)
			}
			if _, err := os.Lstat(path); err == nil {
				t.Error("it has its name already")
			}
			return failing
		}
		if err := d.Write(text("all of it")); !errors.Is(err, failing) {
			t.Errorf("%v, want %v", err, failing)
		}
		if left := names(t, filepath.Dir(path)); left != "" {
			t.Errorf("left: %s", left)
		}
	}
}
