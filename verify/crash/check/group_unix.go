//go:build unix

package check

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// inGroup makes a process the leader of its own process group.
func inGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// signalGroup sends a signal to the process and its group.
func signalGroup(c *exec.Cmd, s syscall.Signal) error {
	if c.Process == nil {
		return nil
	}
	err := syscall.Kill(-c.Process.Pid, s)
	if errors.Is(err, syscall.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
