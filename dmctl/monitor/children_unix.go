//go:build unix

package monitor

import (
	"os/exec"
	"syscall"
)

// endWithChildren makes a command that is killed take its whole process group
// along.
func endWithChildren(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}
