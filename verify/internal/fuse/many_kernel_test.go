//go:build linux && kernel

package fuse

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func showMany(t *testing.T) (m *Mount, dir string) {
	t.Helper()
	dir = t.TempDir()
	m, err := ShowMany(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, dir
}

// TestFilesComeAndGo: each file has its own content and its own writes. When
// one is removed, the others stay.
func TestFilesComeAndGo(t *testing.T) {
	m, dir := showMany(t)
	removes := map[string]func(){}
	for _, name := range []string{"a", "b"} {
		remove, err := m.Add(File{Name: name, Content: strings.NewReader(strings.Repeat(name, 8192)), Size: 8192, Writable: true, SpillDir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		removes[name] = remove
	}
	if _, err := m.Add(File{Name: "a", Content: zeroes{}, Size: 1}); err == nil {
		t.Error("a second file of one name is added")
	}
	if out, err := sh(t, `cd "$1" && test "$(ls | tr -d '\n')" = ab && printf X | dd of=a bs=1 conv=notrunc && test "$(head -c 2 a)" = Xa && test "$(head -c 2 b)" = bb`, dir); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	end := openElsewhere(t, filepath.Join(dir, "a"))
	defer end()
	within(t, "the end of a file that is open", removes["a"])
	if out, err := sh(t, `cd "$1" && test "$(ls)" = b && test "$(tail -c 2 b)" = bb`, dir); err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := sh(t, `dd if="$1"/a of=/dev/null bs=4096 iflag=direct`, dir); err == nil {
		t.Errorf("a file that is gone can be read: %s", out)
	}
}

// TestRemoveWaitsForReaders: after a file is removed, its content may be
// closed.
func TestRemoveWaitsForReaders(t *testing.T) {
	m, dir := showMany(t)
	s := slow{make(chan struct{}, 1), make(chan struct{})}
	remove, err := m.Add(File{Name: "a", Content: s, Size: 4096})
	if err != nil {
		t.Fatal(err)
	}
	reader := exec.Command("cat", filepath.Join(dir, "a"))
	var out bytes.Buffer
	if reader.Stdout = &out; reader.Start() != nil {
		t.Fatal("no reader")
	}
	<-s.began
	removed := make(chan struct{})
	go func() { defer close(removed); remove() }()
	select {
	case <-removed:
		t.Error("removed while a reader waits")
	case <-time.After(50 * time.Millisecond):
	}
	close(s.let)
	within(t, "the end of the file", func() { <-removed })
	if err := reader.Wait(); err != nil || out.Len() != 4096 {
		t.Errorf("the reader has %d bytes, %v", out.Len(), err)
	}
}

// TestMain can make this program a process that mounts and is then killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("FUSE_TEST_MOUNT"); dir != "" {
		if _, err := ShowMany(dir); err != nil {
			panic(err)
		}
		_, _ = os.Stdout.WriteString("mounted")
		select {}
	}
	os.Exit(m.Run())
}

// TestClearTakesTheDeadAway: a killed process leaves a mount that Clear takes
// away; where nothing is mounted it changes nothing.
func TestClearTakesTheDeadAway(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `with blank\and backslash`)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Clear(dir); err != nil {
		t.Errorf("nothing mounted: %v", err)
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "FUSE_TEST_MOUNT="+dir)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if mounted, err := isMounted(dir); err != nil || !mounted {
		t.Fatalf("mounted %v, %v", mounted, err)
	}
	if err := Clear(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(dir); err != nil {
		t.Errorf("after Clear: %v", err)
	}
}
