//go:build linux

// The world in which Vagrant runs: its own processes, network, mounts, and
// configuration of libvirt. When its first process ends, the kernel ends all of
// it: machines, daemons, networks and mounts, even after SIGKILL.

package box

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// Inside is the argument with which this program calls itself as the first
// process of a world; the directory and the command follow. See [Begin].
const Inside = "inside"

// endWithin is the time that the world gets to end after its context.
const endWithin = 10 * time.Second

// World is a world that keeps its files below a directory.
type World struct {
	// Dir is the absolute path of an existing directory for all files: those of
	// libvirt, of Vagrant, and temporary ones. Later runs find them there.
	Dir string
	// Program is this program or one like it, which calls [Begin] if its first
	// argument is [Inside].
	Program string
	// Output takes what the commands and daemons print.
	Output io.Writer
}

// Run runs a command in a new world, in directory dir. All processes of the
// world end with the command. An exit status other than zero is an
// [exec.ExitError].
func (w World) Run(ctx context.Context, dir string, environ []string, command ...string) error {
	if os.Geteuid() != 0 {
		return errors.New("run Vagrant apart from the machine: this takes root")
	}
	for _, name := range directories {
		if err := os.MkdirAll(filepath.Join(w.Dir, name), 0o755); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, w.Program, append([]string{Inside, w.Dir}, command...)...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, os.Stdin, w.Output, w.Output
	cmd.Env = append(os.Environ(),
		"HOME="+filepath.Join(w.Dir, "home"), "VAGRANT_HOME="+filepath.Join(w.Dir, "vagrant.d"),
		"VAGRANT_DOTFILE_PATH="+filepath.Join(w.Dir, "machine"), "TMPDIR="+filepath.Join(w.Dir, "tmp"),
		"VAGRANT_DEFAULT_PROVIDER=libvirt", "VAGRANT_CHECKPOINT_DISABLE=1", "LC_ALL=C.UTF-8")
	cmd.Env = append(cmd.Env, environ...)
	cmd.WaitDelay = endWithin
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWUTS,
		Pdeathsig:  syscall.SIGKILL,
	}
	// The world ends with the thread that began it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(command[0]), err)
	}
	return nil
}
