//go:build linux && kernel

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMountShowsTheImage while a command runs, and ends with the command's
// exit code.
func TestMountShowsTheImage(t *testing.T) {
	b := newToolbox(t)
	b.run(exitFine, "extract store --origin origin -o raw")
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	b.run(exitFine, "mount store --origin origin dir -- cmp dir/image raw")
	b.run(1, "mount store --origin origin dir -- cmp dir/image origin")
	b.run(exitUnknown, "mount store --origin origin dir -- no-such-program")
	b.write("elsewhere", []byte("cd / && exec cmp \"$DMSNAPCTL_IMAGE\" \"$OLDPWD\"/raw\n"))
	b.run(exitFine, "mount store --origin origin dir -- sh elsewhere")
	if entries, err := os.ReadDir("dir"); err != nil || len(entries) != 0 {
		t.Errorf("after the end: %v, %v", entries, err)
	}
	b.damage(invalidate)
	if _, complaint := b.run(exitCritical, "mount store --origin origin dir"); !strings.Contains(complaint, "invalidated") {
		t.Errorf("an invalidated store: %q", complaint)
	}
	_, complaint := b.run(exitWarning, "mount store --origin origin --best-effort dir -- cmp dir/image raw")
	if !strings.Contains(complaint, "327680 of 409600 bytes are not certain") {
		t.Errorf("a guess is shown as: %q", complaint)
	}
}

// TestMountAsJSON: stdout has one object, whatever COMMAND prints.
func TestMountAsJSON(t *testing.T) {
	b := newToolbox(t)
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	out, complaint := b.run(7, "mount store --origin origin dir --json -- awk BEGIN{print(\"hello\");exit(7)}")
	if want := `{"schema":"dmsnapctl.mount/1","path":"store","image":"dir/image","bytes":409600,"uncertain_bytes":0,"verdict":"leaked","command_exit":7}`; out != want+"\n" || complaint != "hello\n" {
		t.Errorf("%s%s", out, complaint)
	}
	b.run(exitFine, "--quiet mount store --origin origin dir -- true")
}

// mounted starts a mount as a process, and waits until the image is there.
func mounted(t *testing.T, args ...string) (cmd *exec.Cmd, said *bufio.Reader, stderr *bytes.Buffer) {
	t.Helper()
	program := programPath(t)
	stderr = new(bytes.Buffer)
	cmd = exec.Command(program, append([]string{"mount", "store", "--origin", "origin", "dir"}, args...)...)
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewReader(out), stderr
}

// TestMountEnds by umount(8) with 0, and by a signal with 130 and one line. Then
// nothing is mounted any more.
func TestMountEnds(t *testing.T) {
	newToolbox(t)
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		args  []string
		first string
		end   func(*exec.Cmd) error
		code  int
		says  string
	}{
		"umount": {nil, "dir/image\n", func(*exec.Cmd) error { return exec.Command("umount", "dir").Run() }, exitFine, ""},
		"SIGTERM": {nil, "dir/image\n", func(c *exec.Cmd) error { return c.Process.Signal(unix.SIGTERM) }, exitInterrupted,
			"dmsnapctl: mount store: ended, and dir is unmounted: signal: terminated\n"},
		"SIGINT, as JSON": {[]string{"--json"}, `{"schema":"dmsnapctl.mount/1","path":"store","image":"dir/image","bytes":409600,"uncertain_bytes":0,"verdict":"leaked"}` + "\n",
			func(c *exec.Cmd) error { return c.Process.Signal(unix.SIGINT) }, exitInterrupted,
			"dmsnapctl: mount store: ended, and dir is unmounted: signal: interrupt\n"},
		"SIGTERM during COMMAND": {[]string{"--", "sh", "-c", "echo began; exec sleep 60"}, "began\n",
			func(c *exec.Cmd) error { return c.Process.Signal(unix.SIGTERM) }, exitInterrupted,
			"dmsnapctl: mount store: ended, and dir is unmounted: signal: terminated\n"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd, out, stderr := mounted(t, tc.args...)
			line, err := out.ReadString('\n')
			if err != nil || line != tc.first {
				t.Errorf("it says %q, %v", line, err)
			}
			if err := tc.end(cmd); err != nil {
				t.Error(err)
			}
			rest, _ := io.ReadAll(out)
			if code := exitCode(t, cmd.Wait()); code != tc.code || stderr.String() != tc.says || len(rest) > 0 {
				t.Errorf("exit code %d, %q %q", code, rest, stderr)
			}
			if entries, err := os.ReadDir("dir"); err != nil || len(entries) != 0 {
				t.Errorf("after the end: %v, %v", entries, err)
			}
		})
	}
}

// A directory that shows an image already is refused, and the first mount still
// ends by a signal.
func TestMountTwice(t *testing.T) {
	b := newToolbox(t)
	if err := os.Mkdir("dir", 0o700); err != nil {
		t.Fatal(err)
	}
	cmd, out, stderr := mounted(t)
	if line, err := out.ReadString('\n'); err != nil || line != "dir/image\n" {
		t.Errorf("it says %q, %v", line, err)
	}
	if _, complaint := b.run(exitUnknown, "mount store --origin origin dir -- true"); !strings.Contains(complaint, "shows an image already") {
		t.Errorf("the second mount: %q", complaint)
	}
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Error(err)
	}
	if code := exitCode(t, cmd.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
