package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A program that has a file open is named, even one that has given itself a name
// that a terminal would act on.
func TestProgramsThatHaveAFileOpen(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := idOf(f)
	if err != nil {
		t.Fatal(err)
	}
	is := func(st *unix.Stat_t) bool { return FileID{devNo(st.Dev), st.Ino} == id }
	if got := programsWith("/proc", is); len(got) > 0 {
		t.Errorf("only this program has the file open, and %v", got)
	}
	child := exec.Command("/bin/sh", "-c", `printf 'a\033[1m' >/proc/$$/comm; echo; read end`)
	child.ExtraFiles = []*os.File{f}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil { // it has its name
		t.Fatal(err)
	}
	want := fmt.Sprintf("a?[1m (process %d)", child.Process.Pid)
	if got := programsWith("/proc", is); !slices.Equal(got, []string{want}) {
		t.Errorf("%v, want %s", got, want)
	}
	_ = in.Close()
	_ = child.Wait()
	if got := programsWith("/proc", is); len(got) > 0 {
		t.Errorf("the program has ended: %v", got)
	}
}
