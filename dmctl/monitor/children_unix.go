//go:build unix

package monitor

import (
	"os/exec"
	"syscall"
)

// endWithChildren has a command that is ended take along what it started: all
// of its process group.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
