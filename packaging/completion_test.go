//go:build packages && linux

package packaging

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shells are the shells, and how they are started with the completion of the
// package, whose files are below the directory {}, as installed files are
// found. Each prints "ready" when it accepts input.
var shells = []struct {
	name, pkg string
	args      []string
	setup     string
}{
	{"bash", "bash-completion", []string{"--norc", "--noprofile", "-i"},
		". /usr/share/bash-completion/bash_completion; bind 'set bell-style none'"},
	{"zsh", "zsh", []string{"-f", "-i"},
		"fpath=({}/usr/share/zsh/vendor-completions $fpath); autoload -U compinit; compinit -u -D; setopt nobeep"},
	{"fish", "fish", []string{"--no-config", "-i"},
		"set fish_greeting; set fish_complete_path {}/usr/share/fish/vendor_completions.d $fish_complete_path"},
}

// typed are lines that end with a tab, and the arguments that the program gets
// when the shell has completed them.
var typed = []struct{ line, want string }{
	{"ver", "verify"},
	{"crash exp", "crash|explore"},
	{"check --target-v", "check|--target-version"},
	{"check --format pro", "check|--format|prometheus"},
	{"check --format=pro", "check|--format=prometheus"},
	{"check --kernel 6.1.0-9", "check|--kernel|6.1.0-9-amd64"},
	{"remove befo", "remove|before"},
	{"remove odd:n", "remove|odd:name"},
	{"verify --lvm vg/ho", "verify|--lvm|vg/home-old"},
	{"create new --origin /dev/mapper/vg-da", "create|new|--origin|/dev/mapper/vg-data"},
	{"map sto", "map|store one.img"},
	{"crash simulate --out fold", "crash|simulate|--out|folder"},
}

// completionRoot is a machine with snapshots, volumes and kernels, as sysfs and
// directories show them.
func completionRoot(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	volume := "LVM-" + strings.Repeat("a", 64)
	for i, d := range []struct{ name, uuid string }{
		{"before", "DMSNAP-000000000000000000000000-8.16-snap"},
		{"odd:name", "DMSNAP-000000000000000000000000-8.32-snap"},
		{"vg-data", volume},
		{"vg-home--old", volume}, {"vg-home--old-cow", volume + "-cow"},
	} {
		dir := fmt.Sprintf("%s/sys/class/block/dm-%d/dm", root, i)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, dir+"/name", d.name+"\n")
		write(t, dir+"/uuid", d.uuid+"\n")
	}
	if err := os.MkdirAll(root+"/lib/modules/6.1.0-9-amd64/kernel", 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestCompletionInShells types at real shells, on a terminal, as a user does,
// and checks the arguments of the program.
func TestCompletionInShells(t *testing.T) {
	root, files := completionRoot(t), unpacked(t)
	for _, shell := range shells {
		t.Run(shell.name, func(t *testing.T) {
			need(t, shell.name, shell.pkg)
			dir := t.TempDir()
			write(t, dir+"/store one.img", "")
			if err := os.Mkdir(dir+"/folder", 0o755); err != nil {
				t.Fatal(err)
			}
			called := filepath.Join(t.TempDir(), "called")
			bin := t.TempDir()
			write(t, bin+"/dmsnapctl", fmt.Sprintf(`#!/bin/sh
test "$1" = complete && exec %s/usr/sbin/dmsnapctl "$@"
(IFS='|'; printf '%%s\n' "$*") >%s.new && mv %[2]s.new %[2]s
`, files, called))
			cmd := exec.Command(shell.name, shell.args...)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "DMSNAPCTL_ROOT="+root, "TERM=xterm", "LC_ALL=C.UTF-8",
				"HOME="+dir, "XDG_CONFIG_HOME="+bin, "XDG_CACHE_HOME="+bin, "XDG_DATA_HOME="+bin, "PS1=$ ",
				"XDG_DATA_DIRS="+files+"/usr/share:/usr/share", "BASH_COMPLETION_USER_DIR="+bin)
			term := startOnTerminal(t, cmd)
			term.say(strings.ReplaceAll(shell.setup, "{}", files) + "; printf 'rea%s\\n' dy\r")
			term.wait("ready\r\n")
			for _, c := range typed {
				_ = os.Remove(called)
				term.say("dmsnapctl " + c.line + "\t")
				term.settle()
				term.say("\r")
				// zsh removes the slash after a directory name again.
				if got := strings.TrimRight(term.file(called), "/\n"); got != c.want {
					t.Errorf("%q and a tab: the program was called with %q, want %q\n%s", c.line, got, c.want, term.seen())
				}
				term.settle()
			}
		})
	}
}

// terminal is a program on a terminal, and its output.
type terminal struct {
	t      *testing.T
	master *os.File
	mu     sync.Mutex
	out    bytes.Buffer
	last   time.Time
}

func startOnTerminal(t *testing.T, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 200}); err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	term := &terminal{t: t, master: master, last: time.Now()}
	go term.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		master.Close()
	})
	return term
}

func (x *terminal) read() {
	buf := make([]byte, 4096)
	for {
		n, err := x.master.Read(buf)
		if err != nil {
			return
		}
		x.mu.Lock()
		x.out.Write(buf[:n])
		x.last = time.Now()
		x.mu.Unlock()
	}
}

func (x *terminal) say(text string) {
	x.mu.Lock()
	x.last = time.Now()
	x.mu.Unlock()
	if _, err := x.master.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

func (x *terminal) seen() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return fmt.Sprintf("%q", x.out.Bytes()[max(0, x.out.Len()-600):])
}

// patience is how long a shell may take on a busy machine.
const patience = 60 * time.Second

// until waits for a condition.
func (x *terminal) until(what string, done func() bool) {
	x.t.Helper()
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			x.t.Fatalf("waited %v for %s: %s", patience, what, x.seen())
		}
	}
}

func (x *terminal) wait(text string) {
	x.t.Helper()
	x.until(text, func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return bytes.Contains(x.out.Bytes(), []byte(text))
	})
}

// settle waits until the shell has been silent for a while.
func (x *terminal) settle() {
	x.t.Helper()
	x.until("silence", func() bool {
		x.mu.Lock()
		defer x.mu.Unlock()
		return time.Since(x.last) > 1500*time.Millisecond
	})
}

// file waits for a file and returns its content; "" if it does not appear.
func (x *terminal) file(path string) string {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(path); err == nil {
			return string(text)
		}
	}
	return ""
}
