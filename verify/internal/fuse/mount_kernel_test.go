//go:build linux && kernel

// Mounts in a real kernel, with readers that are other processes: a process
// must not open its own mount.

package fuse

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Content that shows its place.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i) ^ byte(i>>8) ^ byte(i>>16)
	}
	return b
}

func show(t *testing.T, f File) (m *Mount, path string) {
	t.Helper()
	dir := t.TempDir()
	m, err := Show(dir, f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
			t.Errorf("after the end the directory holds %v, %v", entries, err)
		}
	})
	return m, filepath.Join(dir, f.Name)
}

// sh runs a shell line with $1, $2, ….
func sh(t *testing.T, line string, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command("sh", append([]string{"-c", line, "sh"}, args...)...).CombinedOutput()
	return string(out), err
}

func TestReadersSeeTheImage(t *testing.T) {
	want := content(3<<20 + 777)
	_, path := show(t, File{Name: "image", Content: bytes.NewReader(want), Size: int64(len(want))})
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, want, 0o600); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			if out, err := sh(t, `cmp "$1" "$2" && test "$(stat -c %s "$1")" = "$(stat -c %s "$2")" && test "$(ls "$(dirname "$1")")" = image`, path, plain); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	readers.Wait()
	for _, line := range []string{`echo x >>"$1"`, `echo x >"$1"`, `dd if=/dev/zero of="$1" conv=notrunc count=1`, `touch "$1.new"`, `rm -f "$1"`, `chmod 777 "$1"`} {
		if out, err := sh(t, line, path); err == nil {
			t.Errorf("%s succeeds: %s", line, out)
		}
	}
	if out, err := sh(t, `cmp "$1" "$2"`, path, plain); err != nil {
		t.Errorf("after attempts to write: %v: %s", err, out)
	}
}

// counting counts the bytes read.
type counting struct {
	io.ReaderAt
	bytes atomic.Int64
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	c.bytes.Add(int64(len(p)))
	return c.ReaderAt.ReadAt(p, off)
}

// TestOnlyWhatIsAskedForIsRead: an image of 1 TiB is shown at once, and
// reading a few blocks causes one read-ahead.
func TestOnlyWhatIsAskedForIsRead(t *testing.T) {
	const size = 1 << 40
	c := &counting{ReaderAt: zeroes{}}
	_, path := show(t, File{Name: "image", Content: c, Size: size})
	if out, err := sh(t, `dd if="$1" of=/dev/null bs=4096 count=4 skip=200000000`, path); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if n := c.bytes.Load(); n < 4*4096 || n > 8<<20 {
		t.Errorf("%d bytes were read for 16384", n)
	}
}

type zeroes struct{}

func (zeroes) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

func TestPrivateWritesStayPrivate(t *testing.T) {
	below := content(1<<20 + 100)
	kept := bytes.Clone(below)
	_, path := show(t, File{Name: "image", Content: bytes.NewReader(below), Size: int64(len(below)), Writable: true, SpillDir: t.TempDir()})
	if out, err := sh(t, `printf hello | dd of="$1" bs=1 seek=70000 conv=notrunc,fsync && test "$(dd if="$1" bs=1 skip=70000 count=5)" = hello`, path); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := bytes.Clone(below)
	copy(want[70000:], "hello")
	plain := filepath.Join(t.TempDir(), "plain")
	if err := os.WriteFile(plain, want, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := sh(t, `cmp "$1" "$2"`, path, plain); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := sh(t, `dd if=/dev/zero of="$1" bs=512 seek=1M count=1 conv=notrunc`, path); err == nil {
		t.Errorf("a write beyond the end succeeds: %s", out)
	}
	if !bytes.Equal(below, kept) {
		t.Error("a write reached the content")
	}
}

// TestUmountEnds: the mount ends by umount(8).
func TestUmountEnds(t *testing.T) {
	m, path := show(t, File{Name: "image", Content: zeroes{}, Size: 1 << 20})
	if out, err := sh(t, `cat "$1" >/dev/null && umount "$2"`, path, filepath.Dir(path)); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	within(t, "the end after umount", func() { <-m.Done() })
}

func within(t *testing.T, what string, wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); wait() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s does not come", what)
	}
}

// TestContextEnds: the mount ends, even if a reader has the file open.
func TestContextEnds(t *testing.T) {
	for _, held := range []bool{false, true} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		ready, ended := make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- Serve(ctx, dir, File{Name: "image", Content: zeroes{}, Size: 1 << 20}, func() { close(ready) })
		}()
		within(t, "the mount", func() { <-ready })
		if held {
			defer openElsewhere(t, filepath.Join(dir, "image"))()
		}
		cancel()
		within(t, "the end", func() {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		if out, err := sh(t, `! grep -q " $1 " /proc/mounts`, dir); err != nil {
			t.Errorf("held %v: it is still mounted: %s", held, out)
		}
	}
}

// openElsewhere starts a process that holds path open as its stdin.
func openElsewhere(t *testing.T, path string) (end func()) {
	t.Helper()
	c := exec.Command("sh", "-c", `exec <"$1"; echo open; exec sleep 60`, "sh", path)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	return func() { _ = c.Process.Kill(); _ = c.Wait() }
}

// slow delays each read until it is released.
type slow struct {
	began chan struct{}
	let   chan struct{}
}

func (s slow) ReadAt(p []byte, _ int64) (int, error) {
	select {
	case s.began <- struct{}{}:
	default:
	}
	<-s.let
	clear(p)
	return len(p), nil
}

// TestReaderDies: when a reader is killed while it waits, the mount still
// works for others.
func TestReaderDies(t *testing.T) {
	s := slow{make(chan struct{}, 1), make(chan struct{})}
	_, path := show(t, File{Name: "image", Content: s, Size: 1 << 20})
	reader := exec.Command("cat", path)
	if err := reader.Start(); err != nil {
		t.Fatal(err)
	}
	<-s.began
	if err := reader.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	close(s.let)
	_ = reader.Wait()
	if out, err := sh(t, `test "$(wc -c <"$1")" = 1048576`, path); err != nil {
		t.Errorf("the next reader: %v: %s", err, out)
	}
}

// TestBadContentIsEIO: a failed read is EIO for the reader, is reported, and
// the rest stays readable.
func TestBadContentIsEIO(t *testing.T) {
	bad := errors.New("a broken disk")
	var told atomic.Value
	_, path := show(t, File{Name: "image", Content: brokenFrom{1 << 20, bad}, Size: 2 << 20, OnError: func(err error) { told.Store(err) }})
	out, err := sh(t, `dd if="$1" of=/dev/null bs=64k skip=16`, path)
	if err == nil || !strings.Contains(out, unix.EIO.Error()) && !strings.Contains(out, "Input/output error") {
		t.Errorf("%v: %s", err, out)
	}
	if err, _ := told.Load().(error); !errors.Is(err, bad) {
		t.Errorf("told: %v", err)
	}
	if out, err := sh(t, `dd if="$1" of=/dev/null bs=64k count=1`, path); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

type brokenFrom struct {
	at  int64
	err error
}

func (b brokenFrom) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > b.at {
		return 0, b.err
	}
	clear(p)
	return len(p), nil
}

func TestShowRefuses(t *testing.T) {
	if _, err := Show(filepath.Join(t.TempDir(), "missing"), File{Name: "image", Content: zeroes{}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing directory: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Show(file, File{Name: "image", Content: zeroes{}}); err == nil {
		t.Error("a file as directory: no error")
	}
	_, path := show(t, File{Name: "image", Content: zeroes{}, Size: 4096})
	if _, err := Show(filepath.Dir(path), File{Name: "image", Content: zeroes{}}); err == nil || !strings.Contains(err.Error(), "shows an image already") {
		t.Errorf("a directory that shows an image: %v", err)
	}
	for _, name := range []string{"", ".", "..", "a/b"} {
		if _, err := Show(t.TempDir(), File{Name: name, Content: zeroes{}}); err == nil {
			t.Errorf("the name %q: no error", name)
		}
	}
}

// TestAnotherMountOnTop: the end does not wait for a mount that another one
// hides, and leaves that one alone.
func TestAnotherMountOnTop(t *testing.T) {
	m, path := show(t, File{Name: "image", Content: zeroes{}, Size: 4096})
	dir := filepath.Dir(path)
	if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	within(t, "the end below another mount", func() {
		if err := m.Close(); err == nil || !strings.Contains(err.Error(), "another mount hides the image") {
			t.Errorf("below another mount: %v", err)
		}
	})
	if _, err := Show(dir, File{Name: "image", Content: zeroes{}}); err == nil {
		t.Error("over a mount over an image: no error")
	}
	if err := unix.Unmount(dir, 0); err != nil {
		t.Errorf("the other mount: %v", err)
	}
}

// TestMountedElsewhereToo: the end does not wait for a mount that another place
// keeps.
func TestMountedElsewhereToo(t *testing.T) {
	m, path := show(t, File{Name: "image", Content: zeroes{}, Size: 4096})
	copied := t.TempDir()
	if err := unix.Mount(filepath.Dir(path), copied, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	within(t, "the end of a mount with a copy", func() {
		if err := m.Close(); err == nil || !strings.Contains(err.Error(), "still mounted elsewhere") {
			t.Errorf("with a copy: %v", err)
		}
	})
	if err := unix.Unmount(copied, 0); err != nil {
		t.Error(err)
	}
	within(t, "the end", func() { <-m.Done() })
}
